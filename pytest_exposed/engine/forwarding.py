"""The container's addresses that each make of engine forwards its published ports to. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, ip_address

from pytest_exposed.engine.json_fields import as_dict, as_number, as_text
from pytest_exposed.model import Forwarding, Publication
from pytest_exposed.values import dataclass

INGRESS_NETWORK = "ingress"
"""The default name of a swarm's network for ports that services publish on all nodes."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A container's addresses in one of its networks; empty for a family that it doesn't have."""

    network: str
    ipv4: str = ""
    ipv6: str = ""
    gateway4: bool = False
    """Whether the network has a gateway for IPv4; internal networks and overlays have none."""
    gateway6: bool = False
    priority: int | None = None
    """The network's gateway priority; None before docker 28."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its addresses of both families."""
        return tuple(x for x in (self.ipv4, self.ipv6) if x)


def endpoints_of(networks: object) -> tuple[Endpoint, ...]:
    """Return the endpoints in a record's `NetworkSettings.Networks`."""
    found = []
    for name, network in as_dict(networks).items():
        record = as_dict(network)
        fields = ("IPAddress", "GlobalIPv6Address", "Gateway", "IPv6Gateway")
        ipv4, ipv6, gateway4, gateway6 = (_address(record.get(x)) for x in fields)
        priority = as_number(record.get("GwPriority"))
        found.append(Endpoint(str(name), ipv4, ipv6, bool(gateway4), bool(gateway6), priority))
    return tuple(x for x in found if x.addresses)


def telling_addresses(endpoints: Iterable[Endpoint]) -> frozenset[str]:
    """Return the IPv4 addresses in networks, or the IPv6 addresses where there are none."""
    endpoints = tuple(endpoints)
    ipv4 = frozenset(x.ipv4 for x in endpoints if x.ipv4)
    return ipv4 or frozenset(x.ipv6 for x in endpoints if x.ipv6)


def _address(value: object) -> str:
    """Return an address in its shortest form; empty if it is none."""
    text = as_text(value)
    try:
        return str(ip_address(text)) if text else ""
    except ValueError:
        return ""


def gateways(endpoints: Iterable[Endpoint]) -> tuple[Endpoint | None, Endpoint | None]:
    """Return the endpoints of a container's IPv4 and IPv6 gateways in docker.

    The order is that of Endpoint.Less in libnetwork/sandbox.go of moby, the same from 20.10 to 28:
    higher priority, more gateways, name. (Before 28 IPv6 counts for more; this makes no difference
    with only IPv4 and dual-stack networks.) Before 28 one endpoint serves both families, and it
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
    """Return the addresses that docker forwards to.

    gateway_bridge is the container's address in docker_gwbridge. route is the network of the
    default route, if the engine made this route. Docker forwards IPv4 to the endpoint of the IPv4
    gateway, and IPv6 to that of the IPv6 gateway; without one, the userland proxy forwards IPv6 to
    the IPv4 address (addPortMappings in libnetwork/drivers/bridge/port_mapping_linux.go of moby).
    A container with overlays only has its gateway in docker_gwbridge (needDefaultGW in
    default_gateway.go). Docker 28 opens routed ports for the gateway's endpoint, 29 for that of
    every routed network.
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
        # The route shows docker's choice, which also depends on the order of joining: 28.5 was seen
        # to choose a network of priority -1 before one of 0.
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
    """Return the addresses that podman forwards to; forwarding are the networks it does this in.

    netavark makes a rule for every bridge that is not internal, and for each of the container's
    families in it. The first rule wins, and their order is not visible (setup_port_forward in
    src/firewall/nft.rs of netavark).
    """
    used = [x for x in endpoints if forwarding is None or x.network in forwarding]
    return Forwarding(
        ipv4=tuple(x.ipv4 for x in used if x.ipv4),
        ipv6=tuple(x.ipv6 for x in used if x.ipv6),
        any_is_both=any_is_both,
        why="podman forwards to each of its networks, and which of them comes first is unknown",
    )


def by_rootlessport(addresses: Iterable[str]) -> Forwarding:
    """Return the addresses that rootless podman forwards to by rootlessport.

    rootlessport forwards both families to one address: an IPv4 address if there is one, in any
    network of the container, even an internal one (GetRootlessPortChildIP in
    libnetwork/slirp4netns of containers/common).
    """
    every = sorted(addresses)
    ends = tuple(x for x in every if ":" not in x) or tuple(every)
    why = "rootless podman forwards to one of its networks, and to which is unknown"
    return Forwarding(ipv4=ends, ipv6=ends, any_is_both=True, why=why)


def by_pasta(addresses: Collection[str] | None, *, any_is_both: bool | None) -> Forwarding:
    """Return the addresses that pasta forwards to, for a container in a namespace with addresses.

    pasta forwards each family to the container's address of that family, a link-local one if there
    is no other. Before 2024_10_30, and with --host-lo-to-ns-lo, it forwards the host's loopback to
    the container's loopback (pasta(1)); podman's answers show neither.
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
    """Return a forwarding to an unknown one of a namespace's addresses, with the reason.

    No engine forwards to a link-local IPv6 address.
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
    """Return the publications of one port, grouped by the -p that each comes from; -P is one group.

    bindings are the addresses and ports that each -p names; empty and 0 for any.
    """
    found: dict[object, list[Publication]] = {}
    several = sum(not address for address, _ in bindings) > 1
    for one in published:
        address = _address(one.host_ip)
        named = any(
            x and _address(x) == address and port in (0, one.host_port) for x, port in bindings
        )
        # Without an address, both families have the same port on the host.
        key: object = (address, one.host_port) if named else one.host_port if several else ""
        found.setdefault(key, []).append(one)
    return tuple(map(tuple, found.values()))
