"""ONC RPC: servers on UDP ports that look like clients', known by what else they hold. Pure.

Where rpcbind listens (RFC 1833), programs such as mountd, lockd and statd take any port and have it
announced there, for TCP and UDP alike. A UDP socket on a port of the local range is a server's then
if its process listens on TCP as well.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from pytest_exposed.model import Container, Listener, unmapped

_RPCBIND = 111


def may_serve_rpc(container: Container) -> bool:
    """Return whether its clients' sockets may be servers': their processes decide."""
    heard = {x.port.number for x in container.listeners if x.kind == "reachable"}
    return _RPCBIND in heard and any(x.kind == "ephemeral" for x in container.listeners)


def with_rpc_servers(container: Container) -> Container:
    """Return a container whose owners are known, its RPC servers reachable on dynamic ports."""
    serving = {
        owner
        for x in container.listeners
        if x.kind == "reachable" and x.port.protocol == "tcp"
        for owner in x.owners
    }

    def known(listener: Listener) -> Listener:
        is_server = listener.kind == "ephemeral" and not serving.isdisjoint(listener.owners)
        if not is_server or listener.v6only or ip_address(unmapped(listener.address)).is_loopback:
            return listener
        return replace(listener, kind="reachable", dynamic=True)

    return replace(container, listeners=tuple(map(known, container.listeners)))
