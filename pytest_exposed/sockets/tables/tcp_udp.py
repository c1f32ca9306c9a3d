"""/proc/<pid>/net/tcp, tcp6, udp and udp6: a row for each socket.

Format: proc_pid_net(5), net/ipv4/tcp_ipv4.c (get_tcp4_sock), net/ipv4/udp.c (udp4_seq_show).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from itertools import islice

from pytest_exposed.sockets import table
from pytest_exposed.sockets.table import (
    CLOSE,
    LISTEN,
    SYN_RECV,
    Socket,
    TableError,
    address_of,
    port_of,
)

_ROW = re.compile(
    rb" *[0-9]+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{8}|[0-9A-F]{32}):[0-9A-F]{4}"
    rb" ([0-9A-F]{2}) [0-9A-F]{8}:[0-9A-F]{8} [0-9A-F]{2}:[0-9A-F]{8,16} [0-9A-F]{8}"
    rb" +([0-9]{1,10}) +[0-9]+ +([0-9]{1,20}) [^\n]*"
)


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
        if match is None or {len(match[1]), len(match[3])} != {digits} or count >= table.MOST_ROWS:
            raise TableError(f"line {count + 2} of {name} is not a row of a table of sockets")
        state, port = int(match[4], 16), int(match[2], 16)
        if state == wanted and not (port == 0 and protocol == "udp"):  # that is being bound
            address = _address(match[1].decode(), byteorder)
            sockets.append(
                Socket(
                    protocol,  # type: ignore[arg-type]  # "tcp" or "udp", by the name of the file
                    address,
                    port_of(port, name),
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
        lines = list(islice(reading, table.MOST_ROWS + 2))
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
