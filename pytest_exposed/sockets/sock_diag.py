"""The kernel's tables of sockets as it sends them: sock_diag(7), a protocol of netlink(7)."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Literal

from pytest_exposed.errors import ObservationError
from pytest_exposed.sockets.table import CLOSE, LISTEN, MOST_ROWS, Socket, TableError, address_of

NETLINK_SOCK_DIAG = 4  # linux/netlink.h
NLM_F_REQUEST, NLM_F_DUMP, NLM_F_DUMP_INTR = 0x01, 0x300, 0x10
NLMSG_ERROR, NLMSG_DONE = 2, 3
SOCK_DIAG_BY_FAMILY = 20  # linux/sock_diag.h

# linux/netlink.h: struct nlmsghdr: length, type, flags, sequence, port id
_HEADER = struct.Struct("=IHHII")
# linux/inet_diag.h: struct inet_diag_req_v2 up to its socket id: family, protocol, ext, pad, states
_REQUEST = struct.Struct("=BBBxI")
# struct inet_diag_sockid: ports and addresses in network order, interface, cookie
_SOCKET_ID = struct.Struct("!HH16s16s")
_SOCKET_ID_REST = struct.Struct("=III")
# struct inet_diag_msg: family, state, timer, retrans; the socket id; expires, rqueue, wqueue, uid,
# inode
_ROW = struct.Struct("=BBBB")
_ROW_REST = struct.Struct("=IIIII")
_ROW_SIZE = _ROW.size + _SOCKET_ID.size + _SOCKET_ID_REST.size + _ROW_REST.size
# linux/rtnetlink.h: struct rtattr: length, type
_ATTRIBUTE = struct.Struct("=HH")
INET_DIAG_SKV6ONLY, INET_DIAG_CGROUP_ID = 11, 21

DUMPS: tuple[tuple[int, int, Literal["tcp", "udp"], int], ...] = (
    (socket.AF_INET, socket.IPPROTO_TCP, "tcp", LISTEN),
    (socket.AF_INET6, socket.IPPROTO_TCP, "tcp", LISTEN),
    (socket.AF_INET, socket.IPPROTO_UDP, "udp", CLOSE),
    (socket.AF_INET6, socket.IPPROTO_UDP, "udp", CLOSE),
)
_HIGHEST_ERRNO = 4095  # linux/err.h: MAX_ERRNO
_TRIES = 10


class InterruptedDumpError(ObservationError):
    """The kernel's table changed while it was dumped, so that rows can be missing."""


def dumps(link: socket.socket) -> list[Socket]:
    """Return the listening sockets of the namespace in which a sock_diag socket was opened."""
    return [row for dump in DUMPS for row in _dump(link, *dump)]


def _dump(
    link: socket.socket, family: int, number: int, protocol: Literal["tcp", "udp"], state: int
) -> list[Socket]:
    """Return one family's and protocol's sockets in one state, asking again when interrupted."""
    for sequence in range(1, _TRIES + 1):
        try:
            link.sendall(_request(family, number, state, sequence))
            return [
                found
                for row in _rows(lambda: link.recv(65536), sequence)
                if (found := parse_row(row, family, protocol)) is not None
            ]
        except InterruptedDumpError:
            continue
        except OSError as error:
            raise ObservationError(f"the kernel didn't answer sock_diag: {error}") from None
    raise InterruptedDumpError(
        f"the kernel's {protocol} table changed during each of {_TRIES} dumps: ask again later"
    )


@cache
def _request(family: int, number: int, state: int, sequence: int) -> bytes:
    """Return the request for a dump: struct nlmsghdr and struct inet_diag_req_v2."""
    body = _REQUEST.pack(family, number, 0, 1 << state)
    body += bytes(_SOCKET_ID.size + _SOCKET_ID_REST.size)
    flags = NLM_F_REQUEST | NLM_F_DUMP
    return _HEADER.pack(_HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, flags, sequence, 0) + body


def _rows(receive: Callable[[], bytes], sequence: int) -> list[memoryview]:
    """Return the rows of the answer to one dump; receive gives a datagram of it at a time.

    Every answer is read to its end, an interrupted one too: the next would begin with its rest.
    """
    rows: list[memoryview] = []
    interrupted = False
    for kind, flags, of_request, body in _messages(receive):
        if of_request != sequence:
            continue
        interrupted = interrupted or bool(flags & NLM_F_DUMP_INTR)
        if kind == SOCK_DIAG_BY_FAMILY:
            rows.append(body)
            if len(rows) > MOST_ROWS:
                raise TableError(f"the kernel's answer to sock_diag has over {MOST_ROWS} rows")
        elif kind in (NLMSG_ERROR, NLMSG_DONE):
            code = -struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0
            if code:
                reason = os.strerror(code) if 0 < code <= _HIGHEST_ERRNO else f"error {code}"
                raise ObservationError(f"the kernel refused sock_diag: {reason}")
            if kind == NLMSG_DONE:
                break
        else:
            raise TableError(f"the kernel's answer to sock_diag has a message of type {kind}")
    if interrupted:
        raise InterruptedDumpError
    return rows


def _messages(receive: Callable[[], bytes]) -> Iterator[tuple[int, int, int, memoryview]]:
    """Yield type, flags, sequence number and body of each message of an answer, without an end."""
    while True:
        datagram = memoryview(receive())
        if not datagram:
            raise TableError("the kernel's answer to sock_diag ends before its end")
        while datagram:
            if len(datagram) < _HEADER.size:
                raise TableError("the kernel's answer to sock_diag is cut short")
            length, kind, flags, sequence, _ = _HEADER.unpack_from(datagram)
            if not _HEADER.size <= length <= len(datagram):
                raise TableError("the kernel's answer to sock_diag is cut short")
            yield kind, flags, sequence, datagram[_HEADER.size : length]
            datagram = datagram[(length + 3) & ~3 :]


def parse_row(row: memoryview, family: int, protocol: Literal["tcp", "udp"]) -> Socket | None:
    """Return the socket of one struct inet_diag_msg and its attributes.

    None for one of UDP that is being bound: for a moment it has no port (inet_bind in af_inet.c).
    """
    if len(row) < _ROW_SIZE or row[0] != family:
        raise TableError("the kernel's answer to sock_diag has a row of another shape")
    port, _, source, _ = _SOCKET_ID.unpack_from(row, _ROW.size)
    offset = _ROW.size + _SOCKET_ID.size
    device, _, _ = _SOCKET_ID_REST.unpack_from(row, offset)
    _, _, _, uid, inode = _ROW_REST.unpack_from(row, offset + _SOCKET_ID_REST.size)
    if port == 0 and protocol == "udp":
        return None
    if port == 0:
        raise TableError("the kernel's answer to sock_diag has a socket on port 0")
    v6only: bool | None = False if family == socket.AF_INET else None
    cgroup = None
    for kind, value in _attributes(row[_ROW_SIZE:]):
        if kind == INET_DIAG_SKV6ONLY and len(value) == 1:
            v6only = bool(value[0])
        elif kind == INET_DIAG_CGROUP_ID and len(value) == 8:
            cgroup = int.from_bytes(value, sys.byteorder)
    address = address_of(source[:4] if family == socket.AF_INET else source)
    return Socket(protocol, address, port, inode, uid, v6only, device, cgroup)


def _attributes(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    while data:
        if len(data) < _ATTRIBUTE.size:
            raise TableError("the kernel's answer to sock_diag has an attribute that is cut short")
        length, kind = _ATTRIBUTE.unpack_from(data)
        if not _ATTRIBUTE.size <= length <= len(data):
            raise TableError("the kernel's answer to sock_diag has an attribute that is cut short")
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]
