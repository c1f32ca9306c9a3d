"""Values: a container's listeners and publications."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from ipaddress import IPv4Address, IPv6Address
from typing import Literal, TypeVar

from pytest_exposed.model.ports import Port
from pytest_exposed.text import printable
from pytest_exposed.values import dataclass

Kind = Literal["reachable", "loopback", "unreachable", "ephemeral", "unattributed"]
"""How a listener can be reached from outside its container.

reachable: it is bound to a wildcard or another address that something outside can connect to.
loopback: it is bound to a loopback address or device.
unreachable: nothing outside gets to its address, such as IPv6 alone without an IPv6 address.
ephemeral: an unconnected UDP socket on an unnamed port of the local range: a client.
unattributed: several containers share its network namespace, and its owner is unknown.
"""


@dataclass(frozen=True, slots=True, order=True)
class Process:
    """A process, with its pid in its container."""

    pid: int
    name: str
    program: str = ""
    """The main class, module or script that it runs, if it is an interpreter."""

    def __str__(self) -> str:
        runs = f" {printable(self.program, 60)}" if self.program else ""
        return f"{printable(self.name)}{runs} (pid {self.pid})"


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that accepts connections or datagrams: its port, address and kind."""

    port: Port
    """Its port, with the protocol."""
    address: str
    """The address that it is bound to, in the form of `ss`: 0.0.0.0, ::, 127.0.0.1."""
    kind: Kind
    """reachable, loopback, unreachable, ephemeral or unattributed."""
    v6only: bool = False
    """Whether it takes IPv6 alone."""
    presumed: Kind | None = None
    """The kind that an unattributed listener has for its unknown owner."""
    as_server: Kind | None = field(default=None, compare=False, repr=False)
    """The kind that it has if it is no client's; None if it was made elsewhere."""
    owners: tuple[Process, ...] = ()
    inodes: frozenset[int] = field(default=frozenset(), compare=False, repr=False)
    on_device: bool = False
    """Whether it is bound to one network device (SO_BINDTODEVICE), as far as known."""
    dynamic: bool = False
    """Whether it serves TCP, or RPC over UDP, on an unnamed port of the local range, which the
    kernel chose."""
    seen: str = field(default="", compare=False)
    """When a watch saw it, in words; empty if it was always there."""

    @property
    def process(self) -> str | None:
        """The name of the first process that holds it; None if not looked up or not visible."""
        return self.owners[0].name if self.owners else None

    @property
    def program(self) -> str:
        """The program that this process runs as an interpreter; empty if it is none, or unknown."""
        return self.owners[0].program if self.owners else ""

    @property
    def pid(self) -> int | None:
        """The pid of this process in its container."""
        return self.owners[0].pid if self.owners else None

    @property
    def endpoint(self) -> str:
        """Address and port in the form of `ss`: "0.0.0.0:80", "[::]:80"."""
        return endpoint(self.address, self.port.number)

    @property
    def lacks(self) -> str | None:
        """The address without which nothing reaches it, though it is bound to any."""
        if self.kind != "unreachable":
            return None
        if self.address == "::":
            return "an IPv6 address" if self.v6only else "an address"
        return "an IPv4 address" if self.address == "0.0.0.0" else None  # noqa: S104

    @property
    def traits(self) -> tuple[str, ...]:
        """Its kind, "dynamic" if it is, and when it was seen if not always."""
        dynamic = ("dynamic",) if self.dynamic else ()
        return (self.kind, *dynamic, *((self.seen,) if self.seen else ()))

    def __str__(self) -> str:
        return f"{self.endpoint}/{self.port.protocol}"

    def __repr__(self) -> str:
        """Return a short text: pytest shows it beside every failed assertion."""
        details = ", ".join([*self.traits, *map(str, self.owners)])
        return f"<listener {self}: {details}>"


def endpoint(address: str, number: int | str) -> str:
    """Return "0.0.0.0:80" or "[::]:80"; an empty address means any."""
    if ":" in address:
        return f"[{address}]:{number}"
    return f"{address or '*'}:{number}"


@dataclass(frozen=True, slots=True, order=True)
class Publication:
    """A container's port that is published on the Docker host: by -p, -P or its Swarm service."""

    port: Port
    """The container's port."""
    host_ip: str
    """The host's address; 0.0.0.0, :: or empty for any."""
    host_port: int
    """The host's port; 0 if the container's own port is open to routed traffic instead (docker's
    mode routed)."""
    ingress: bool = False
    """Whether its service publishes it on all nodes of the swarm, to any of its tasks."""

    @property
    def endpoint(self) -> str:
        """The host's address and port: "0.0.0.0:8080", "[::]:8080", or "0.0.0.0 (routed)"."""
        if not self.host_port:
            return f"{self.host_ip} (routed)"
        return endpoint(self.host_ip, self.host_port)

    @property
    def offset(self) -> int | None:
        """The host's port minus the container's; None without a port on the host."""
        return self.host_port - self.port.number if self.host_port else None

    @property
    def is_everywhere(self) -> bool:
        """Whether it is bound to all the host's addresses of a family."""
        return self.host_ip in ("", "0.0.0.0", "::")  # noqa: S104

    def __str__(self) -> str:
        return f"{self.endpoint}->{self.port}"

    def __repr__(self) -> str:
        """Return a short text: pytest shows it beside every failed assertion."""
        return f"<publication {self}>"


_MOST_NAMED = 4
"""Publications that are named; the others are counted."""


def publishing(name: str, published: Sequence[Publication]) -> str:
    """Return what a container publishes, to follow words on it: "vpn, which publishes …"."""
    more = len(published) - _MOST_NAMED
    shown = ", ".join(map(str, published[:_MOST_NAMED])) + (f" and {more} more" if more > 0 else "")
    return f"{name}, which publishes {shown}" if shown else name


_OfPort = TypeVar("_OfPort", Listener, Publication)


def by_port(values: Iterable[_OfPort]) -> dict[Port, list[_OfPort]]:
    """Return listeners or publications by their ports."""
    found: dict[Port, list[_OfPort]] = {}
    for value in values:
        found.setdefault(value.port, []).append(value)
    return found


@dataclass(frozen=True, slots=True)
class Forwarding:
    """The addresses of a container to which its engine forwards its publications.

    Of several addresses, the engine uses one. None means unknown, and empty means nowhere.
    """

    ipv4: tuple[str, ...] | None = None
    """The target of traffic to an IPv4 address of the host."""
    ipv6: tuple[str, ...] | None = None
    ingress: tuple[str, ...] | None = None
    """The target of traffic from a swarm's routing mesh."""
    routed: tuple[str, ...] | None = None
    """The target of traffic routed to the container, without a port on the host."""
    any_is_both: bool | None = False
    """Whether a publication on 0.0.0.0 is also bound for IPv6 (podman); None means unknown."""
    may_be_loopback: bool = False
    """Whether traffic to the host's loopback may go to the container's loopback (pasta)."""
    lines: Mapping[Port, tuple[tuple[Publication, ...], ...]] = field(default_factory=dict)
    """The publications of each -p, for ports that needed an inspection."""
    why: str = ""
    """Why the address is unknown, in words."""


def written(address: IPv4Address | IPv6Address) -> str:
    """Return an address in the form of `ss`: ::ffff:127.0.0.1, which Python writes since 3.13."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return f"::ffff:{mapped}" if mapped else str(address)


def unmapped(address: str) -> str:
    """Return the IPv4 address in an IPv4-mapped one (::ffff:a.b.c.d), or the address itself."""
    if address.startswith("::ffff:"):
        mapped = IPv6Address(address).ipv4_mapped
        return str(mapped) if mapped else address
    return address
