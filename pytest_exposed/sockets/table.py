"""The kernel's socket tables as text: /proc/<pid>/net/{tcp,tcp6,udp,udp6} and sctp/eps.

Formats: proc_pid_net(5) and the kernel's net/ipv4/tcp_ipv4.c (get_tcp4_sock), net/ipv4/udp.c
(udp4_seq_show) and net/sctp/proc.c (sctp_eps_seq_show). Parsing is strict: a table that holds one
line of another shape is no table, and raises TableError instead of giving half of itself.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from itertools import islice
from socket import AF_INET, inet_pton
from typing import Literal

from pytest_exposed.errors import ObservationError
from pytest_exposed.model import written

# include/net/tcp_states.h: a request socket (NEW_SYN_RECV) is shown as SYN_RECV among the
# listeners; an unconnected UDP socket is in state CLOSE.
SYN_RECV, CLOSE, LISTEN = 3, 7, 10

# The kernel has 65,535 ports an address; a namespace with SO_REUSEPORT and several addresses can
# hold more sockets than that, but no service does. At 150 bytes a line this is some 150 MB.
MOST_ROWS = 1_000_000

_ROW = re.compile(
    rb" *[0-9]+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{8}|[0-9A-F]{32}):[0-9A-F]{4}"
    rb" ([0-9A-F]{2}) [0-9A-F]{8}:[0-9A-F]{8} [0-9A-F]{2}:[0-9A-F]{8,16} [0-9A-F]{8}"
    rb" +([0-9]{1,10}) +[0-9]+ +([0-9]{1,20}) [^\n]*"
)
_ENDPOINT = re.compile(
    rb" *[0-9a-fx()nul]+ +[0-9a-fx()nul]+ +[0-9]+ +([0-9]{1,3}) +[0-9]+ +([0-9]{1,5})"
    rb" +([0-9]{1,10}) +([0-9]{1,20})((?: +[0-9A-Fa-f.:*]+)*) *"
)


class TableError(ObservationError):
    """A text that is not the kernel's table of sockets."""


@dataclass(frozen=True, slots=True)
class Socket:
    """A listening TCP or SCTP socket, or an unconnected UDP one, as the kernel tells it.

    v6only, device and cgroup are None where the source can't tell them.
    """

    protocol: Literal["tcp", "udp", "sctp"]
    address: str
    port: int
    inode: int
    uid: int
    v6only: bool | None = None
    device: int | None = None
    """Index of the interface that the socket is bound to; 0 for any."""
    cgroup: int | None = None
    """Inode of the cgroup2 directory of the process that made it."""


def parse_table(
    lines: Iterable[bytes], name: str, byteorder: str = sys.byteorder, *, ordered: bool = True
) -> list[Socket]:
    """Return the listening or unconnected sockets of a table called tcp, tcp6, udp or udp6.

    In tcp tables the kernel writes the listeners first, so reading stops at the first row that is
    neither one nor a request to one: where lines are read as they come, the walk over the
    established connections never happens, unless the table is not ordered so. byteorder is that of
    the machine which wrote the table, since addresses are written as words of that machine.
    """
    family, protocol = (6, name[:-1]) if name.endswith("6") else (4, name)
    wanted = LISTEN if protocol == "tcp" else CLOSE
    digits = 8 if family == 4 else 32
    rows = iter(lines)
    if not re.match(rb" +sl +local_address +rem(ote)?_address +st ", next(rows, b"")):
        raise TableError(f"{name} does not begin with the heading of a table of sockets")
    sockets = []
    for count, line in enumerate(rows):
        match = _ROW.fullmatch(line)
        if match is None or {len(match[1]), len(match[3])} != {digits} or count >= MOST_ROWS:
            raise TableError(f"line {count + 2} of {name} is not a row of a table of sockets")
        state, port = int(match[4], 16), int(match[2], 16)
        if state == wanted and not (port == 0 and protocol == "udp"):  # that is being bound
            address = _address(match[1].decode(), byteorder)
            sockets.append(
                Socket(
                    protocol,  # type: ignore[arg-type]  # "tcp" or "udp", by the name of the file
                    address,
                    _port(port, name),
                    int(match[6]),
                    int(match[5]),
                    v6only=False if family == 4 else None,
                )
            )
        elif ordered and protocol == "tcp" and state != SYN_RECV:
            break
    return sockets


READINGS = 4
"""How often a table of UDP is read to find two readings alike."""

# Linux's smallest page: what is shorter came in one piece.
_PAGE = 4096


def steady(readings: Iterable[Iterable[bytes]], name: str) -> list[bytes]:
    """Return the lines of a UDP table that has them all; readings are those of it, one by one.

    The kernel writes a page for each read(2), and for the next one it counts the rows from the
    first again (udp_get_idx in net/ipv4/udp.c): where one of them was closed meanwhile, another one
    is left out, be it there all the time. The closed one was written, and isn't in the next
    reading: so of two readings with the same sockets the first has them all. Raises TableError
    where no two are.
    """
    before: list[tuple[bytes, ...]] | None = None
    for reading in readings:
        lines = list(islice(reading, MOST_ROWS + 2))
        if sum(map(len, lines)) + len(lines) < _PAGE:
            return lines
        sockets = sorted(map(_identity, lines))  # gVisor writes them in any order
        if sockets == before:
            return lines
        before = sockets
    raise TableError(
        f"{name} changes faster than it can be read: as root on the engine's host, netlink sees it"
    )


def _identity(line: bytes) -> tuple[bytes, ...]:
    """Return what tells a row's socket: address, port and inode, and no lengths of queues."""
    fields = line.split(None, 10)
    return (*fields[1:3], *fields[9:10])


def _address(digits: str, byteorder: str) -> str:
    """Return the address in 8 or 32 hexadecimal digits, words of 32 bits in the machine's order."""
    raw = bytes.fromhex(digits)
    if byteorder == "little":
        raw = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    return address_of(raw)


@lru_cache(maxsize=256)  # thousands of sockets have a few addresses
def address_of(raw: bytes) -> str:
    """Return the text of an address, of 4 or 16 bytes in network order."""
    return written(IPv4Address(raw) if len(raw) == 4 else IPv6Address(raw))


def _port(number: int, name: str) -> int:
    if not 1 <= number <= 65535:
        raise TableError(f"{name} has a socket on port {number}")
    return number


def parse_endpoints(lines: Iterable[bytes]) -> list[Socket]:
    """Return the listening SCTP endpoints of a table sctp/eps, one for each address.

    Columns: ENDPT SOCK STY SST HBKT LPORT UID INODE LADDRS; LPORT is decimal, and SST 10 is LISTEN.
    """
    rows = iter(lines)
    if next(rows, b"").split()[:4] != [b"ENDPT", b"SOCK", b"STY", b"SST"]:
        raise TableError("sctp/eps does not begin with the heading of a table of endpoints")
    sockets = []
    for count, line in enumerate(rows):
        match = _ENDPOINT.fullmatch(line)
        if match is None or count >= MOST_ROWS:
            raise TableError(f"line {count + 2} of sctp/eps is not a row of a table of endpoints")
        if int(match[1]) != LISTEN:
            continue
        port = _port(int(match[2]), "sctp/eps")
        for text in match[5].decode().replace("*", " ").split() or ["::"]:
            try:
                address = str(ip_address(text))
            except ValueError:
                raise TableError(f"sctp/eps has an address {text!r}") from None
            sockets.append(Socket("sctp", address, port, int(match[4]), int(match[3])))
    return sockets


def parse_ipv6_addresses(lines: Iterable[bytes]) -> list[str]:
    """Return the IPv6 addresses of a table if_inet6 (proc_pid_net(5)), loopback's left out."""
    found = []
    for line in lines:
        fields = line.split()
        if len(fields) != 6 or len(fields[0]) != 32:
            raise TableError("if_inet6 has a line that is not an address")
        try:
            address = IPv6Address(bytes.fromhex(fields[0].decode()))
        except ValueError:
            raise TableError("if_inet6 has a line that is not an address") from None
        if not address.is_loopback:
            found.append(str(address))
    return found


_LOCAL = re.compile(rb"\|-- ([0-9.]+)\n +/32 (?:host LOCAL|link BROADCAST)\n")


# A route of type local may be of a whole range (ip-route(8)), as that of loopback's is.
_LOCAL_RANGE = re.compile(
    rb"\|-- (?!127\.)[0-9.]+\n(?: +/[0-9]+ [^\n]*\n)*? +/(?:[0-9]|[12][0-9]|3[01]) host LOCAL\n"
)


def parse_ipv4_addresses(text: bytes) -> frozenset[str] | None:
    """Return the IPv4 addresses that a table fib_trie makes a host answer to, loopback's left out.

    Broadcast addresses are among them. None where these are whole ranges. Format:
    fib_trie_seq_show in net/ipv4/fib_trie.c.
    """
    # Empty where there are no routes, not even to loopback.
    if text and not (text.startswith((b"Main:\n", b"Local:\n", b"Id ")) and text.endswith(b"\n")):
        raise TableError("fib_trie does not begin or end as a table of routes")
    if _LOCAL_RANGE.search(text):
        return None
    found = []
    for address in {x.decode() for x in _LOCAL.findall(text)}:
        try:
            inet_pton(AF_INET, address)  # IPv4Address takes ten times as long
        except OSError:
            raise TableError("fib_trie has a line that is not an address") from None
        if not address.startswith("127."):
            found.append(address)
    return frozenset(found)


_MOST_ROUTES = 4096
"""Default routes come first, and then the networks, lowest first (fib_trie.c)."""
_ROUTE = re.compile(
    rb"(?P<device>[^\t ]+) *\t(?P<to>[0-9A-F]{8})\t(?P<via>[0-9A-F]{8})\t[0-9A-F]{4}\t[0-9]+"
    rb"\t[0-9]+\t(?P<metric>[0-9]{1,10})\t(?P<mask>[0-9A-F]{8})\t"
)


def parse_default_network(lines: Iterable[bytes], byteorder: str) -> IPv4Network | None:
    """Return the network that the default route leads through, of a table route; None for none.

    Words are written as numbers of the machine. Format: fib_route_seq_show in net/ipv4/fib_trie.c.
    """
    defaults: list[tuple[int, bytes, IPv4Address]] = []
    networks: list[tuple[bytes, IPv4Network]] = []
    for line in islice(lines, 1, _MOST_ROUTES):
        match = _ROUTE.match(line)
        if match is None:
            raise TableError("route has a line that is not a route")
        words = (bytes.fromhex(match[x].decode()) for x in ("to", "via", "mask"))
        to, via, mask = (IPv4Address(x[::-1] if byteorder == "little" else x) for x in words)
        if int(mask) == 0:
            defaults.append((int(match["metric"]), match["device"], via))
        elif int(via) == 0:
            with suppress(ValueError):  # a mask with holes
                networks.append((match["device"], IPv4Network((int(to), str(mask)), strict=False)))
    for _, device, via in sorted(defaults)[:1]:
        return next((x for name, x in networks if name == device and via in x), None)
    return None


def has_one_user(uid_map: bytes) -> bool:
    """Return whether a map of user ids is of one user at most, which takes no privilege to make.

    Format: user_namespaces(7).
    """
    lines = uid_map.split(b"\n")
    return len([x for x in lines if x]) < 2 and lines[0].split()[2:] in ([], [b"1"])


def lines_of(chunks: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Yield the lines of a text that comes in pieces; TableError where the last one is cut off."""
    rest = b""
    for chunk in chunks:
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        if len(rest) > 4096:
            raise TableError(f"{name} has a line of over 4,096 bytes")
        yield from lines
    if rest:
        raise TableError(f"{name} ends in the middle of a line")
