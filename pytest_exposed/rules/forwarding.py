"""Which listeners take what a publication leads to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, ip_address

from pytest_exposed.model import Forwarding, Listener, Publication, unmapped

Ends = tuple[str, ...] | None
"""The addresses to one of which a publication leads; empty for none, None if unknown."""


def destinations(publication: Publication, forwarding: Forwarding) -> tuple[Ends, ...]:
    """Return where a publication leads, for each address family that it is bound for."""
    is_ipv6 = ":" in publication.host_ip
    if publication.ingress:
        return (forwarding.ingress,)
    if not publication.host_port:
        routed = forwarding.routed
        return (routed and tuple(x for x in routed if (":" in x) is is_ipv6),)
    if is_ipv6:
        return (forwarding.ipv6,)
    if publication.is_everywhere and forwarding.any_is_both is not False:
        return forwarding.ipv4, forwarding.ipv6
    return (forwarding.ipv4,)


def is_reached(
    listeners: Iterable[Listener], publication: Publication, forwarding: Forwarding
) -> bool | None:
    """Return whether any listener takes what a publication leads to; None where that is unknown."""
    listeners = tuple(listeners)
    found = [
        any_of(takes(x, ends) for x in listeners) for ends in destinations(publication, forwarding)
    ]
    if len(found) == 2 and forwarding.any_is_both is None and found[0] is False and found[1]:
        return None  # it answers over IPv6, and may be published for IPv4 alone
    return any_of(found)


def takes(listener: Listener, ends: Ends) -> bool | None:
    """Return whether a listener takes what leads to one of some addresses; None if unknown."""
    if ends is None:
        # An unknown address has an unknown family.
        return True if listener.address == "::" and not listener.v6only else None
    bound = {_is_bound_to(x, listener) for x in ends}
    if len(bound) > 1 or (listener.on_device and len(ends) > 1 and True in bound):
        return None
    return True in bound


def any_of(answers: Iterable[bool | None]) -> bool | None:
    """Return True if one answer is true, else None if one is unknown, else False."""
    found = set(answers)
    return True if True in found else None if None in found else False


def lines(
    published: Sequence[Publication], forwarding: Forwarding
) -> tuple[tuple[Publication, ...], ...]:
    """Return the publications of one port by the -p that asked for them.

    Without an address, one -p is bound for IPv4 and for IPv6, on one port of the host, except in
    docker's routed mode of one of these. Two -p can look alike: then the engine was asked.
    """
    asked = forwarding.lines.get(published[0].port)
    if asked is not None and {x for line in asked for x in line} == set(published):
        return asked
    found: list[tuple[Publication, ...]] = []
    for one in sorted(published, key=lambda x: -x.host_port):
        for number, line in enumerate(found):
            if _is_the_other_family(one, line):
                found[number] = (*line, one)
                break
        else:
            found.append((one,))
    return tuple(tuple(sorted(x)) for x in found)


def _is_the_other_family(one: Publication, line: Sequence[Publication]) -> bool:
    """Return whether a publication is that of the other address family of a -p without address."""
    (first, *rest) = line
    return (
        not rest
        and {one.host_ip, first.host_ip} == {"0.0.0.0", "::"}  # noqa: S104
        and one.ingress == first.ingress
        and (one.host_port == first.host_port or not one.host_port)
    )


def _is_bound_to(destination: str, listener: Listener) -> bool:
    address, wanted = ip_address(unmapped(listener.address)), ip_address(destination)
    if not address.is_unspecified:
        return address == wanted
    if isinstance(address, IPv4Address):
        return isinstance(wanted, IPv4Address)
    return not (listener.v6only and isinstance(wanted, IPv4Address))
