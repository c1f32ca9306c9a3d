"""The common part of the kernel's socket tables as text; each table has a module in tables/.

Parsing is strict: one malformed line raises TableError, so that no table is read by half.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Literal, NamedTuple

from pytest_exposed.errors import ObservationError
from pytest_exposed.model import written

# include/net/tcp_states.h: a request socket (NEW_SYN_RECV) appears as SYN_RECV among the
# listeners; an unconnected UDP socket is in state CLOSE.
SYN_RECV, CLOSE, LISTEN = 3, 7, 10

# An address has 65,535 ports. With SO_REUSEPORT and several addresses a namespace can have more
# sockets, but no service does. At 150 bytes a line this is some 150 MB.
MOST_ROWS = 1_000_000


class TableError(ObservationError):
    """The text is not a socket table of the kernel."""


class Socket(NamedTuple):
    """A listening TCP or SCTP socket, or an unconnected UDP socket, from the kernel.

    v6only, device and cgroup are None if the source can't see them.
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


@lru_cache(maxsize=256)  # thousands of sockets have a few addresses
def address_of(raw: bytes) -> str:
    """Return the text of an address from its 4 or 16 bytes in network order."""
    return written(IPv4Address(raw) if len(raw) == 4 else IPv6Address(raw))


def port_of(number: int, name: str) -> int:
    """Return a port number of a named table; TableError if it is out of range."""
    if not 1 <= number <= 65535:
        raise TableError(f"{name} has a socket on port {number}")
    return number


def lines_of(chunks: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Yield the lines of a text that arrives in chunks; TableError if the last one is cut off."""
    rest = b""
    for chunk in chunks:
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        if len(rest) > 4096:
            raise TableError(f"{name} has a line of over 4,096 bytes")
        yield from lines
    if rest:
        raise TableError(f"{name} ends in the middle of a line")
