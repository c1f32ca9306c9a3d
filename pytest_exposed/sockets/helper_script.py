"""The shell script that the helper container runs, and the processes that it prints."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import field

from pytest_exposed.sockets.cgroups import owner_of
from pytest_exposed.sockets.remote import OF_ADDRESSES, split_lines
from pytest_exposed.sockets.table import TableError
from pytest_exposed.values import dataclass

_TABLES = ("tcp", "tcp6", "udp", "udp6", "sctp/eps", *OF_ADDRESSES)

# The script needs sh and cat. It answers once for its arguments, and again for each line of input;
# it ends after half a minute without a line, or if the shell's read knows no -t. The first word of
# the arguments or of the line is the end mark of the answer; the others are ids of containers. For
# each container it prints one process per network namespace: test's -ef compares device and inode
# of net/tcp, which identify a namespace. A process that has ended meanwhile can't be compared: its
# text is withdrawn. The pid of its first process names a namespace. The network of the shell's
# parent, its monitor (see monitor.py), is the engine's host network: the engine's first process can
# be elsewhere. A user namespace with at most one user is not the engine's: making it takes no
# privilege. Tables of UDP are written READINGS times: see tcp_udp.steady.
SCRIPT = r"""
cat /dev/null || { echo "@no cat"; exit 127; }
engine=/proc/$PPID
[ -e "$engine/net/tcp" ] || engine=/proc/1
users=$(cat "$engine/uid_map" 2>/dev/null)
whose() {
    own=
    while IFS= read -r line; do
        IFS=/
        for part in ${line#*:*:}; do
            part=${part%.scope}
            part=${part##*-}
            case ${#part} in 64) case $ids in *" $part "*) own=$part; break 2 ;; esac ;; esac
        done
    done 2>/dev/null < "$1/cgroup"
    unset IFS
    [ -n "$own" ]
}
show() {
    echo "@process ${1#/proc/}"
    command exec 9< "$1/net/tcp" || return  # bare, a failing exec ends the shell
    echo "@namespace ${2#/proc/}"
    its=$(cat "$1/uid_map" 2>/dev/null)
    [ -z "$users" ] || [ "$users" = "$its" ] || case $its in
        *[0-9]" "*[0-9]" "*[0-9]" "*) ;;  # several lines
        "" | *" 1") echo "@apart" ;;
    esac
    echo "@before"
    cat "$1/cgroup"
    for table in tcp tcp6 udp udp6 sctp/eps if_inet6 fib_trie route; do
        echo "@table $table"
        case $table in
            udp*) cat "$1/net/$table" "$1/net/$table" "$1/net/$table" "$1/net/$table" ;;
            *) cat "$1/net/$table" ;;
        esac 2>/dev/null || echo "@failed"
    done
    echo "@after"
    cat "$1/cgroup"
    [ /proc/self/fd/9 -ef "$1/net/tcp" ] && echo "@namespace ${2#/proc/}"
    command exec 9<&-  # or it holds the namespace of a container that ends
    echo "@end"
}
look() {
    ids=" $* "
    shown=
    spaces=
    host=
    for p in /proc/[0-9]*; do
        # Where the first thread of a process has ended, another may live.
        [ -e "$p/net/tcp" ] || for t in "$p"/task/[0-9]*; do
            [ -e "$t/net/tcp" ] && p=/proc/${t##*/} && break
        done
        [ -e "$p/net/tcp" ] && whose "$p" || continue
        alike=
        for rep in $shown; do
            case $rep in "$own:"*) rep=${rep#*:} ;; *) continue ;; esac
            [ -e "$rep/net/tcp" ] || echo "@gone ${rep#/proc/}"
            [ "$p/net/tcp" -ef "$rep/net/tcp" ] && alike=$rep
        done
        if [ -n "$alike" ]; then
            echo "@alike ${p#/proc/} ${alike#/proc/}"
            continue
        fi
        space=
        for first in $spaces; do
            [ "$p/net/tcp" -ef "$first/net/tcp" ] && space=$first && break
        done
        [ -n "$space" ] || { space=$p; spaces="$spaces $p"; }
        [ "$p/net/tcp" -ef "$engine/net/tcp" ] && host=${space#/proc/}
        shown="$shown $own:$p"
        show "$p" "$space"
    done
    echo "@host $host"
    echo "@done $asked"
}
asked=$1
shift
look "$@"
while IFS=' ' read -r -t 30 asked line; do look $line; done
"""


@dataclass(slots=True)
class Seen:
    """The helper's output for one process."""

    pid: int
    namespaces: list[bytes] = field(default_factory=list)
    cgroups: list[bytes] = field(default_factory=list)
    tables: dict[str, list[bytes]] = field(default_factory=dict)
    ended: bool = False
    apart: bool = False
    """Whether the process, and not the engine, is in a user namespace that anybody can make."""

    def take(self, word: bytes, value: bytes, lines: list[bytes]) -> bool:
        """Add a part of the output; return whether it is a part of a process."""
        if word == b"@namespace":
            self.namespaces.append((value.split() or [b""])[0])
        elif word in (b"@before", b"@after"):
            self.cgroups.append(b"\n".join(lines))
        elif word == b"@table" and value.decode("ascii", "replace") in _TABLES:
            # A kernel without IPv6 or SCTP has no such table; tcp and udp are insisted on later.
            if lines[-1:] != [b"@failed"]:
                self.tables[value.decode()] = lines
        elif word == b"@end":
            self.ended = True
        elif word == b"@apart":
            self.apart = True
        else:
            return False
        return True

    def owner(self, ids: Collection[bytes]) -> str | None:
        """Return the container that it belonged to both before and after the reading, or None."""
        owners = {owner_of(x, ids) for x in self.cgroups}
        whole = self.ended and len(self.cgroups) == len(self.namespaces) == 2
        if not whole or len(owners) > 1 or len(set(self.namespaces)) > 1:
            return None
        owner = owners.pop()
        return owner.decode() if owner else None


def parse(text: bytes, end: bytes) -> tuple[list[Seen], dict[int, int], bytes]:
    """Return the printed processes, the pids it left out, and the id of the host's namespace.

    The script prints one process per container and network namespace: the second value maps the
    pids of the others to it. Raises TableError unless the text is complete up to its end mark.
    """
    lines = split_lines(text)
    if not lines or lines.pop() + b"\n" != end:
        raise TableError(f"the helper did not come to its end; it wrote {text[-200:]!r}")
    found: list[Seen] = []
    alike: dict[int, int] = {}
    host = b""
    for mark, rest in _parts(lines):
        word, _, value = mark.partition(b" ")
        if word == b"@process":
            found.append(Seen(_pid(value)))
        elif word == b"@alike":
            pid, _, other = value.partition(b" ")
            alike[_pid(pid)] = _pid(other)
        elif word == b"@gone":
            # Where another process was found in its namespace, its text still shows that one.
            gone = {_pid(value)} - set(alike.values())
            found = [x for x in found if x.pid not in gone]
        elif word == b"@host":
            host = value.split(b" ")[0]
        elif not (found and found[-1].take(word, value, rest)):
            raise TableError(f"the helper wrote {mark[:80]!r}")
    return found, alike, host


def _pid(text: bytes) -> int:
    if not re.fullmatch(rb"[0-9]{1,10}", text):
        raise TableError(f"the helper wrote a pid {text[:80]!r}")
    return int(text)


_MARK = re.compile(
    rb"@(?:process|alike|gone|apart|namespace|before|table|after|end|host|done)(?: [^\n]*)?"
)


def _parts(lines: list[bytes]) -> Iterator[tuple[bytes, list[bytes]]]:
    """Yield each line that the script marks, with the unmarked lines below it."""
    mark: bytes | None = None
    rest: list[bytes] = []
    for line in lines:
        if _MARK.fullmatch(line):
            if mark is not None:
                yield mark, rest
            mark, rest = line, []
        elif mark is None:
            raise TableError("the helper wrote something before its first mark")
        else:
            rest.append(line)
    if mark is not None:
        yield mark, rest
