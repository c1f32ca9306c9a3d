"""Which listeners take what a publication leads to. Pure.

The engine publishes ports for one of a container's networks, that of its default route, and leads
them to the container's address in it: those of the host's IPv4 to its IPv4 address, those of IPv6
to its IPv6 address, and where it has none of that kind, to the other (libnetwork of moby).
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, ip_address

from pytest_exposed.model import Endpoint, Listener, Publication, unmapped


def destinations(publication: Publication, endpoints: Sequence[Endpoint]) -> list[str]:
    """Return the addresses that a publication may lead to; none where that is not known.

    A swarm leads what it publishes by ingress to an address of its own.
    """
    if publication.ingress:
        return []
    is_ipv6 = ":" in publication.host_ip
    found = [(x.ipv6 or x.ipv4) if is_ipv6 else (x.ipv4 or x.ipv6) for x in endpoints]
    return list(dict.fromkeys(x for x in found if x))


def takes(
    listener: Listener, publication: Publication, endpoints: Sequence[Endpoint]
) -> bool | None:
    """Return whether a listener takes what a publication leads to; None where it may."""
    ends = destinations(publication, endpoints)
    told = {_is_bound_to(x, listener) for x in ends}
    if len(told) > 1 or (listener.on_device and len(ends) > 1 and told != {False}):
        return None
    return told.pop() if told else True


def _is_bound_to(destination: str, listener: Listener) -> bool:
    address, wanted = ip_address(unmapped(listener.address)), ip_address(destination)
    if address.is_multicast or str(address) == "255.255.255.255":
        return True
    if not address.is_unspecified:
        return address == wanted
    if isinstance(address, IPv4Address):
        return isinstance(wanted, IPv4Address)
    return not (listener.v6only and isinstance(wanted, IPv4Address))
