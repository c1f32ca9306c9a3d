"""From sockets to listeners: who owns a socket, and what outside can reach it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from pytest_exposed.model import Kind, Listener, unmapped
from pytest_exposed.model.ports import Port, order
from pytest_exposed.sockets.reading import DNS, LOCAL_PORTS, SocketSnapshot
from pytest_exposed.sockets.table import Socket

LOOPBACK_DEVICE = 1
"""Index of lo, in every network namespace: it is made first (net/core/dev.c)."""


def listeners(
    reading: SocketSnapshot,
    held: Collection[int],
    named: Collection[Port],
    local_ports: Collection[int],
) -> tuple[Listener, ...]:
    """Return the listeners of one container, sorted by port and address.

    held are the inodes of the sockets that containers in its network namespace hold. named are the
    ports that any of these documents, declares or publishes. local_ports are the namespace's ports
    for clients.
    """
    dns = _dns_pair(reading.sockets, local_ports)
    ipv4 = reading.addresses is None or any(":" not in x for x in reading.addresses)
    merged: dict[tuple[Port, str, bool, Kind, Kind, bool, bool], set[int]] = {}
    for socket in reading.sockets:
        mine = belongs(socket, reading, held, dns)
        if mine is False:
            continue
        port = Port(socket.port, socket.protocol)
        unnamed = port.number in local_ports and port not in named
        server = _kind(socket, reading, ipv4=ipv4)
        kind: Kind = "ephemeral" if unnamed and port.protocol == "udp" else server
        is_bound = bool(socket.v6only), bool(socket.device)
        key = (port, socket.address, bool(mine), kind, server, *is_bound)
        # SO_REUSEPORT gives several sockets of one port and address: one listener.
        merged.setdefault(key, set()).add(socket.inode)
    return tuple(
        Listener(
            port,
            address,
            kind if mine else "unattributed",
            v6only,
            presumed=None if mine else kind,
            as_server=server,
            inodes=frozenset(inodes),
            on_device=on_device,
            dynamic=port.protocol == "tcp" and port.number in local_ports and port not in named,
        )
        for (port, address, mine, kind, server, v6only, on_device), inodes in sorted(
            merged.items(), key=lambda x: (*order(x[0][0]), *x[0][1:])
        )
    )


def belongs(
    socket: Socket,
    reading: SocketSnapshot,
    held: Collection[int] = (),
    dns: Collection[Socket] = (),
) -> bool | None:
    """Return whether a socket of the namespace is the container's; None if that is unknown.

    Its holder counts for more than its maker: a socket can be handed over.
    """
    if reading.held is not None and socket.inode in reading.held:
        return True
    if socket.inode in held:  # by another
        return False if reading.held is not None else None
    if socket.cgroup is not None and reading.cgroups is not None:
        return socket.cgroup in reading.cgroups
    if socket in dns or (socket.address == DNS and reading.held is not None):
        return False
    if reading.shared:
        return False if reading.held is not None else None
    return True


def _dns_pair(sockets: Iterable[Socket], local_ports: Collection[int]) -> tuple[Socket, ...]:
    """Return Docker's own DNS sockets by their looks, where their maker is unknown.

    They are one TCP and one UDP socket of root on a port of the local range, or of a new
    namespace's range if that has changed since. If the container binds the same address on such a
    port, they can't be told apart, and all are shown.
    """
    found = [
        x
        for x in sockets
        if x.address == DNS and x.uid == 0 and (x.port in local_ports or x.port in LOCAL_PORTS)
    ]
    return tuple(found) if sorted(x.protocol for x in found) == ["tcp", "udp"] else ()


@lru_cache(maxsize=256)  # thousands of sockets have a few addresses
def _address(text: str) -> IPv4Address | IPv6Address:
    return ip_address(unmapped(text))


def _kind(socket: Socket, reading: SocketSnapshot, *, ipv4: bool) -> Kind:
    address = _address(socket.address)
    if address.is_loopback or socket.device == LOOPBACK_DEVICE:
        return "loopback"
    return "reachable" if _is_at_an_address(address, socket, reading, ipv4=ipv4) else "unreachable"


def _is_at_an_address(
    address: IPv4Address | IPv6Address, socket: Socket, reading: SocketSnapshot, *, ipv4: bool
) -> bool:
    """Return whether the namespace has an address that a socket is bound to."""
    is_ipv6 = isinstance(address, IPv6Address)
    if is_ipv6 and not reading.ipv6 and (socket.v6only or not address.is_unspecified):
        return False
    if address.is_unspecified:
        return ipv4 or (is_ipv6 and reading.ipv6)
    if address.is_multicast or str(address) == "255.255.255.255":
        return socket.protocol == "udp"
    # It may have been taken away since.
    return reading.addresses is None or str(address) in reading.addresses
