"""To which of a container's addresses each make of engine forwards what it publishes. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, ip_address

from pytest_exposed.engine.untyped import as_dict, as_number, as_text
from pytest_exposed.model import Forwarding, Publication
from pytest_exposed.values import dataclass

INGRESS_NETWORK = "ingress"
"""The name of a swarm's network for what services publish on all nodes, unless it was replaced."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A container's addresses in one of its networks; empty where it has none of a family."""

    network: str
    ipv4: str = ""
    ipv6: str = ""
    gateway4: bool = False
    """Whether the network has a gateway for IPv4: an internal network and an overlay have none."""
    gateway6: bool = False
    priority: int | None = None
    """The network's priority for the gateway; None before docker 28."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its addresses of both families."""
        return tuple(x for x in (self.ipv4, self.ipv6) if x)


def endpoints_of(networks: object) -> tuple[Endpoint, ...]:
    """Return the addresses in a record's `NetworkSettings.Networks`."""
    found = []
    for name, network in as_dict(networks).items():
        record = as_dict(network)
        fields = ("IPAddress", "GlobalIPv6Address", "Gateway", "IPv6Gateway")
        ipv4, ipv6, gateway4, gateway6 = (_address(record.get(x)) for x in fields)
        priority = as_number(record.get("GwPriority"))
        found.append(Endpoint(str(name), ipv4, ipv6, bool(gateway4), bool(gateway6), priority))
    return tuple(x for x in found if x.addresses)


def _address(value: object) -> str:
    """Return an address as it is written shortest; empty where it is none."""
    text = as_text(value)
    try:
        return str(ip_address(text)) if text else ""
    except ValueError:
        return ""


def gateways(endpoints: Iterable[Endpoint]) -> tuple[Endpoint | None, Endpoint | None]:
    """Return the endpoints by which docker connects a container to IPv4 and IPv6 outside.

    The order is that of Endpoint.Less in libnetwork/sandbox.go of moby, alike from 20.10 to 28:
    higher priority, more gateways (IPv6 counts for more before 28, which no container shows that
    has only IPv4 and dual-stack networks), name. Before 28 there is one for both families, and it
    needs an IPv4 gateway (getGatewayEndpoint in default_gateway.go).
    """
    order = sorted(
        endpoints, key=lambda x: (-(x.priority or 0), -(x.gateway4 + x.gateway6), x.network)
    )
    four = next((x for x in order if x.gateway4), None)
    if all(x.priority is None for x in order):
        return four, four if four is not None and four.gateway6 else None
    return four, next((x for x in order if x.gateway6), None)


def by_docker(
    endpoints: Sequence[Endpoint], gateway_bridge: str | None, route: IPv4Network | None = None
) -> Forwarding:
    """Return where docker forwards to.

    gateway_bridge is the address in docker_gwbridge, and route the network of the default route
    where the engine made that. IPv4 goes to the IPv4 gateway's endpoint, IPv6 to the IPv6
    gateway's; where there is none for IPv6, the userland proxy leads it to the IPv4 address
    (addPortMappings in libnetwork/drivers/bridge/port_mapping_linux.go of moby). A container
    without a gateway in its networks, which are overlays then, has one in docker_gwbridge
    (needDefaultGW in default_gateway.go). What is routed is opened for the gateway's endpoint in
    28, for every routed network's in 29.
    """
    four, six = gateways(endpoints)
    ipv4: tuple[str, ...] | None = (four.ipv4,) if four else ()
    ipv6 = (six.ipv6,) if six else ipv4
    every4 = tuple(x.ipv4 for x in endpoints if x.gateway4 and x.ipv4)
    every6 = tuple(x.ipv6 for x in endpoints if x.gateway6 and x.ipv6)
    by_route = tuple(x for x in every4 if route is not None and IPv4Address(x) in route)
    ranked = len({x.priority or 0 for x in endpoints}) > 1
    split = four is not None and six is not None and four.gateway6 and four != six
    if ranked or split or (route is not None and by_route != ipv4):
        # Priorities are not always kept, which hangs on what joins first: 28.5 was seen to choose
        # a network of priority -1 before one of 0. The route is as it was chosen.
        ipv4, ipv6 = by_route or every4, every6 or by_route or every4
    why = "it is in several networks"
    if four is None and six is None:
        ipv4 = ipv6 = (gateway_bridge,) if gateway_bridge else None
        why = "the engine shows neither a gateway in its networks nor its address in another"
    return Forwarding(
        ipv4=ipv4,
        ipv6=ipv6,
        ingress=tuple(x.ipv4 for x in endpoints if x.network == INGRESS_NETWORK) or None,
        routed=tuple(y for x in endpoints for y in x.addresses) or None,
        why=why,
    )


def by_podman(
    endpoints: Sequence[Endpoint], forwarding: Collection[str] | None, *, any_is_both: bool | None
) -> Forwarding:
    """Return where podman forwards to, forwarding being the networks for which it does.

    netavark makes rules for every bridge that is not internal, and for each family that the
    container has in it, in no order that anything tells; the first rule wins
    (setup_port_forward in src/firewall/nft.rs of netavark).
    """
    used = [x for x in endpoints if forwarding is None or x.network in forwarding]
    return Forwarding(
        ipv4=tuple(x.ipv4 for x in used if x.ipv4),
        ipv6=tuple(x.ipv6 for x in used if x.ipv6),
        any_is_both=any_is_both,
        why="podman forwards to each of its networks, and which of them comes first is unknown",
    )


def by_rootlessport(addresses: Iterable[str]) -> Forwarding:
    """Return where rootless podman forwards to for a container with these addresses.

    rootlessport leads both families to one address, an IPv4 one where there is any, of any of the
    container's networks: internal ones count too (GetRootlessPortChildIP in
    libnetwork/slirp4netns of containers/common).
    """
    every = sorted(addresses)
    ends = tuple(x for x in every if ":" not in x) or tuple(every)
    why = "rootless podman forwards to one of its networks, and to which is unknown"
    return Forwarding(ipv4=ends, ipv6=ends, any_is_both=True, why=why)


def by_pasta(addresses: Collection[str] | None, *, any_is_both: bool | None) -> Forwarding:
    """Return where pasta forwards to for a container in a namespace with these addresses.

    Each family is led to the container's address of that family, a link-local one where it has no
    other. A pasta before 2024_10_30, and one with --host-lo-to-ns-lo, leads what the host sends to
    its own loopback to the container's (pasta(1)); podman shows neither.
    """
    why = "pasta shows no address of the container, and its namespace's are unknown"
    if addresses is None:
        return Forwarding(any_is_both=None, may_be_loopback=True, why=why)
    return Forwarding(
        ipv4=tuple(x for x in sorted(addresses) if ":" not in x),
        ipv6=tuple(x for x in sorted(addresses) if ":" in x),
        any_is_both=any_is_both,
        may_be_loopback=True,
        why="podman shows no address of it, as without root",
    )


def anywhere(addresses: Collection[str] | None, why: str) -> Forwarding:
    """Return that it may be any of a namespace's addresses of the family, for a reason.

    An address of IPv6 that is only the link's is none to which an engine forwards.
    """
    if addresses is None:
        return Forwarding(any_is_both=None, why=why)
    outside = [x for x in sorted(addresses) if not ip_address(x).is_link_local]
    every = tuple(outside) or None
    ipv4 = tuple(x for x in outside if ":" not in x) or every
    return Forwarding(ipv4, every, ipv4, every, any_is_both=None, why=why)


def lines_of(
    published: Sequence[Publication], bindings: Sequence[tuple[str, int]]
) -> tuple[tuple[Publication, ...], ...]:
    """Return the publications of one port by the -p that asked for each; one -P asks for all.

    bindings are the addresses and ports that each -p names; empty and 0 for any.
    """
    found: dict[object, list[Publication]] = {}
    several = sum(not address for address, _ in bindings) > 1
    for one in published:
        address = _address(one.host_ip)
        named = any(
            x and _address(x) == address and port in (0, one.host_port) for x, port in bindings
        )
        # Without an address, both families get the same port of the host.
        key: object = (address, one.host_port) if named else one.host_port if several else ""
        found.setdefault(key, []).append(one)
    return tuple(map(tuple, found.values()))
