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
    """Return the listening or unconnected sockets in a table tcp, tcp6, udp or udp6.

    The kernel writes listeners first, and requests to them. So reading stops at the first other
    row, before the established connections, if the table is ordered.
    byteorder is that of the machine that wrote the table: addresses are words in its order.
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
        if state == wanted and not (port == 0 and protocol == "udp"):  # 0 is being bound
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
"""How often a UDP table is read to find two equal readings."""

# Linux's smallest page: a shorter table came in one piece.
_PAGE = 4096


def steady(readings: Iterable[Iterable[bytes]], name: str) -> list[bytes]:
    """Return the lines of a UDP table without a missing row, from several readings of it.

    The kernel writes one page per read(2), and counts the rows from the first again for the next
    page (udp_get_idx in net/ipv4/udp.c). A socket that is closed in between makes it skip another,
    living one. The closed socket is missing in the next reading: so if two readings in a row have
    the same sockets, the first is complete. Raises TableError if no two do.
    """
    before: list[tuple[bytes, ...]] | None = None
    for reading in readings:
        lines = list(islice(reading, table.MOST_ROWS + 2))
        if sum(map(len, lines)) + len(lines) < _PAGE:
            return lines
        sockets = sorted(map(_identity, lines))  # gVisor's order varies
        if sockets == before:
            return lines
        before = sockets
    raise TableError(
        f"{name} changes faster than it can be read: as root on the engine's host, netlink sees it"
    )


def _identity(line: bytes) -> tuple[bytes, ...]:
    """Return a row's address, port and inode: the socket without the lengths of its queues."""
    fields = line.split(None, 10)
    return (*fields[1:3], *fields[9:10])


def _address(digits: str, byteorder: str) -> str:
    """Return the address of 8 or 32 hexadecimal digits: 32-bit words in the given byte order."""
    raw = bytes.fromhex(digits)
    if byteorder == "little":
        raw = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    return address_of(raw)
