"""Values: the sockets that a container listens on, and where they are published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from pytest_exposed.model.ports import Port
from pytest_exposed.text import printable
from pytest_exposed.values import dataclass

Kind = Literal["reachable", "loopback", "unreachable", "ephemeral", "unattributed"]
"""What a listener is to those outside its container.

reachable: bound to a wildcard or another address that something outside can connect to.
loopback: bound to a loopback address or device.
unreachable: bound where nothing outside gets to, such as IPv6 alone without an IPv6 address.
ephemeral: an unconnected UDP socket on a port of the local range that nothing names: a client.
unattributed: in a network namespace that several share, and nothing readable tells whose it is.
"""


@dataclass(frozen=True, slots=True, order=True)
class Process:
    """A process as its container numbers it."""

    pid: int
    name: str
    program: str = ""
    """What it runs where it is an interpreter: a main class, a module or a script."""

    def __str__(self) -> str:
        runs = f" {printable(self.program, 60)}" if self.program else ""
        return f"{printable(self.name)}{runs} (pid {self.pid})"


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that takes connections or datagrams: its port, its address, its kind."""

    port: Port
    address: str
    kind: Kind
    v6only: bool = False
    presumed: Kind | None = None
    """What an unattributed listener is to those outside, whoever's it may be."""
    owners: tuple[Process, ...] = ()
    inodes: frozenset[int] = field(default=frozenset(), compare=False, repr=False)
    on_device: bool = False
    """Whether it is bound to one network device (SO_BINDTODEVICE), as far as that is known."""
    dynamic: bool = False
    """Whether it serves TCP, or RPC over UDP, on an unnamed port of the local range: nobody chose
    that."""
    seen: str = field(default="", compare=False)
    """When a watch saw it, in words; empty where it was there all the time."""

    @property
    def process(self) -> str | None:
        """The name of the first process that holds it; None where not looked up or not visible."""
        return self.owners[0].name if self.owners else None

    @property
    def program(self) -> str:
        """What that process runs where it is an interpreter; empty where it is none, or unknown."""
        return self.owners[0].program if self.owners else ""

    @property
    def pid(self) -> int | None:
        """The pid of that process, as its container numbers it."""
        return self.owners[0].pid if self.owners else None

    @property
    def endpoint(self) -> str:
        """Address and number as `ss` writes them: "0.0.0.0:80", "[::]:80"."""
        return endpoint(self.address, self.port.number)

    @property
    def traits(self) -> tuple[str, ...]:
        """Its kind, "dynamic" where it is, and when it was seen where it was not always there."""
        dynamic = ("dynamic",) if self.dynamic else ()
        return (self.kind, *dynamic, *((self.seen,) if self.seen else ()))

    def __str__(self) -> str:
        return f"{self.endpoint}/{self.port.protocol}"

    def __repr__(self) -> str:
        """Return a short text: pytest shows it beside every failed assertion."""
        details = ", ".join([*self.traits, *map(str, self.owners)])
        return f"<listener {self}: {details}>"


def endpoint(address: str, number: int | str) -> str:
    """Return "0.0.0.0:80" or "[::]:80"; an address that the engine left out reads as any."""
    if ":" in address:
        return f"[{address}]:{number}"
    return f"{address or '*'}:{number}"


@dataclass(frozen=True, slots=True, order=True)
class Publication:
    """A port of a container bound on the Docker host: by -p or -P, or by its Swarm service."""

    port: Port
    host_ip: str
    host_port: int
    """0 where the container's own port is opened to what is routed to it (docker's mode routed)."""
    ingress: bool = False
    """Whether it is its service's, bound on all nodes of the swarm and led to any of its tasks."""

    @property
    def endpoint(self) -> str:
        """Where the host answers: "0.0.0.0:8080", "[::]:8080", or "0.0.0.0 (routed)"."""
        if not self.host_port:
            return f"{self.host_ip} (routed)"
        return endpoint(self.host_ip, self.host_port)

    @property
    def offset(self) -> int | None:
        """How far the host's port is from the container's; None without a port of the host."""
        return self.host_port - self.port.number if self.host_port else None

    @property
    def is_everywhere(self) -> bool:
        """Whether it is bound on all addresses of the host, of one family or of both."""
        return self.host_ip in ("", "0.0.0.0", "::")  # noqa: S104

    def __str__(self) -> str:
        return f"{self.endpoint}->{self.port}"

    def __repr__(self) -> str:
        """Return a short text: pytest shows it beside every failed assertion."""
        return f"<publication {self}>"


@dataclass(frozen=True, slots=True)
class Forwarding:
    """To which address of a container its engine forwards what it publishes.

    Where several addresses are given, it is one of them; None is unknown, and empty is to none.
    """

    ipv4: tuple[str, ...] | None = None
    """What arrives at an IPv4 address of the host."""
    ipv6: tuple[str, ...] | None = None
    ingress: tuple[str, ...] | None = None
    """What arrives by the routing mesh of a swarm."""
    routed: tuple[str, ...] | None = None
    """What is routed to the container, without a port of the host."""
    any_is_both: bool | None = False
    """Whether a publication on 0.0.0.0 is bound for IPv6 too (podman); None is unknown."""
    may_be_loopback: bool = False
    """Whether what arrives at the host's loopback may be led to the container's own (pasta)."""
    lines: Mapping[Port, tuple[tuple[Publication, ...], ...]] = field(default_factory=dict)
    """The publications of each -p, of ports for which the engine was asked."""
    why: str = ""
    """Why the address is unknown, for people."""


def written(address: IPv4Address | IPv6Address) -> str:
    """Return an address as `ss` writes it: ::ffff:127.0.0.1, which Python does since 3.13."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return f"::ffff:{mapped}" if mapped else str(address)


def unmapped(address: str) -> str:
    """Return the IPv4 address in an IPv4-mapped IPv6 one (::ffff:a.b.c.d), or address itself."""
    if address.startswith("::ffff:"):
        mapped = IPv6Address(address).ipv4_mapped
        return str(mapped) if mapped else address
    return address
