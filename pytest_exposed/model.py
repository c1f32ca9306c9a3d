"""Values: images, containers, services, listeners, publications and findings of an engine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from pytest_exposed.errors import ObservationError, UntoldError
from pytest_exposed.ports import Port, Ports
from pytest_exposed.text import printable

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
    """Whether it is bound to one network device (SO_BINDTODEVICE), as far as that is told."""
    dynamic: bool = False
    """Whether it serves TCP, or RPC over UDP, on an unnamed port of the local range: nobody chose
    that."""

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
        """Its kind, and "dynamic" where it is."""
        return (self.kind, "dynamic") if self.dynamic else (self.kind,)

    def __str__(self) -> str:
        return f"{self.endpoint}/{self.port.protocol}"

    def __repr__(self) -> str:
        """Return a short text: pytest shows it beside every failed assertion."""
        told = ", ".join([*self.traits, *map(str, self.owners)])
        return f"<listener {self}: {told}>"


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


# https://docs.docker.com/reference/compose-file/services/#labels and `docker service create`
COMPOSE_PROJECT = "com.docker.compose.project"
COMPOSE_SERVICE = "com.docker.compose.service"
SWARM_SERVICE = "com.docker.swarm.service.name"
_SWARM_ID = "com.docker.swarm.service.id"
SWARM_TASK = "com.docker.swarm.task.name"
_ONE_OFF = "com.docker.compose.oneoff"
_COMPOSE_IMAGE = "com.docker.compose.image"
_COMPOSE_NUMBER = "com.docker.compose.container-number"
_PODMAN_COMPOSE = "io.podman.compose.project"


def borrows_labels(name: str, labels: Mapping[str, str], image_id: str = "") -> bool:
    """Return whether a container with the labels of a service is none of its own.

    `docker compose run` starts one-offs, which run another command; podman-compose has no label for
    its own, and calls them PROJECT_SERVICE_tmpNUMBER (compose_run of podman_compose.py). An image
    that `docker commit` made of a service's container hands the labels down to any container: a
    task is called by the name of its task (daemon/cluster/executor/container of moby), and Compose
    writes the image that it started (ImageDigestLabel of compose's pkg/api).
    """
    if labels.get(SWARM_SERVICE):
        return labels.get(SWARM_TASK, name) != name
    if labels.get(_ONE_OFF, "").lower() == "true":
        return True
    project, service = labels.get(COMPOSE_PROJECT), labels.get(COMPOSE_SERVICE, "")
    if labels.get(_PODMAN_COMPOSE) and re.fullmatch(rf".*{re.escape(service)}[-_]tmp\d+", name):
        return True
    number = labels.get(_COMPOSE_NUMBER)
    usual = (f"{project}{x}{service}{x}{number}" for x in "-_")
    started = labels.get(_COMPOSE_IMAGE, image_id)
    return bool(image_id) and started != image_id and name not in usual


@dataclass(frozen=True, slots=True)
class Service:
    """The service that a container is of, by its labels: Swarm's, or Compose's PROJECT/SERVICE."""

    name: str
    id: str | None = None
    """Of a Swarm service, whose containers are tasks alike; None for Compose's."""

    @classmethod
    def of(cls, labels: Mapping[str, str], name: str, image_id: str = "") -> Service | None:
        """Return the service of a container with a name and labels, None where it is of none."""
        if borrows_labels(name, labels, image_id):
            return None
        if labels.get(SWARM_SERVICE):
            return cls(labels[SWARM_SERVICE], labels.get(_SWARM_ID) or None)
        if labels.get(COMPOSE_PROJECT) and labels.get(COMPOSE_SERVICE):
            return cls(f"{labels[COMPOSE_PROJECT]}/{labels[COMPOSE_SERVICE]}")
        return None

    def __str__(self) -> str:
        return printable(self.name)


def names_of(name: str, service: str | None, pod: str | None = None) -> tuple[str, ...]:
    """Return what a container is called in a waiver: its name, its service's, and POD/NAME."""
    in_pod = [f"{pod}/{name}"] if pod and pod != name else []
    return (name, *([service] if service else []), *in_pod)


@dataclass(frozen=True, slots=True)
class Image:
    """An image of an engine and the ports that it documents."""

    id: str
    name: str
    documented: Ports
    invalid: tuple[str, ...] = ()
    """Entries of its ExposedPorts that are no ports."""
    labels: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    history: tuple[str, ...] | None = field(default=None, compare=False, repr=False)
    """The commands of its layers, newest first; None where not looked up."""
    digests: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """What registries call it, REPOSITORY@sha256:…; none for one that was only built here."""
    parents: Mapping[int, str] = field(default_factory=dict, compare=False, repr=False)
    """Names of the images that its history passes through, by their place in it."""
    entrypoint: tuple[str, ...] = field(default=(), compare=False, repr=False)
    command: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def is_from_registry(self) -> bool:
        """Whether a registry has it, so that its Dockerfile may be another's.

        Podman gives an image that was built here a digest of localhost.
        """
        return any(not x.startswith(("localhost/", "<none>")) for x in self.digests)

    def __str__(self) -> str:
        return printable(self.name)

    def __repr__(self) -> str:
        """Return a short text: pytest shows it beside every failed assertion."""
        return f"<image {self}>"


NO_IMAGE = Image(id="", name="no image", documented=Ports())
"""What a container has that was made from a folder (podman's --rootfs), or by podman itself."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule broken by one port of one container; without a port, by the container."""

    rule: str
    port: Port | None
    message: str
    fix: str
    waived: str | None = None
    """The reason of the waiver that accepts it, or None."""
    more_ports: tuple[Port, ...] = ()
    """The other ports of a process, where it is about several; port is the first."""
    warning: bool = False
    """Whether it is shown and reported, and fails nothing."""

    @property
    def ports(self) -> tuple[Port, ...]:
        """All ports that it is about, in order; none for a finding of the container."""
        return (self.port, *self.more_ports) if self.port else ()

    @property
    def fails(self) -> bool:
        """Whether its container does not match: it is neither waived nor a warning."""
        return self.waived is None and not self.warning

    @property
    def warns(self) -> bool:
        """Whether it is a warning, and not waived."""
        return self.waived is None and self.warning

    def __str__(self) -> str:
        return f"{self.rule} {Ports(self.ports)}" if self.port else self.rule

    def __repr__(self) -> str:
        """Return a short text: pytest shows it beside every failed assertion."""
        kind = "warning" if self.warning else "finding"
        waived = "" if self.waived is None else ", waived"
        return f"<{kind} {self}{waived}: {self.message}>"


@dataclass(frozen=True, slots=True)
class Substitute:
    """What a container runs instead of its image's command."""

    what: str
    """In words, behind "it runs"."""
    fix: str | None
    """What to do about it, where that is known."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container as observed: what is documented, declared, published, and who listens."""

    id: str
    name: str
    image: Image
    network_mode: str
    state: str
    declared: Ports
    published: tuple[Publication, ...]
    listeners: tuple[Listener, ...]
    source: str
    """The source that saw the sockets: netlink, procfs, helper or exec."""
    host: str = ""
    at_host: bool = field(default=False, repr=False)
    """Whether its network namespace is that of the engine's host, as far as it is told or seen."""
    pod: str | None = None
    """The name of the pod in whose network it is (podman); None where it is in none."""
    is_infra: bool = field(default=False, repr=False)
    """Whether it stands for its pod: podman made it to hold the pod's network and publications."""
    neighbours: tuple[Container, ...] = field(default=(), repr=False)
    """The other containers in its network namespace, without neighbours of their own."""
    forwarding: Forwarding = field(default=Forwarding(), compare=False, repr=False)
    """To which of its addresses what it publishes leads."""
    wildcard: str = field(default="0.0.0.0", compare=False, repr=False)  # noqa: S104
    """What a server has to bind to be reached in each of its networks: :: where it has no IPv4."""
    notes: tuple[str, ...] = ()
    """What is worth a line and breaks no rule, such as a publication without effect."""
    verdict: tuple[Finding, ...] | ObservationError = field(default=(), compare=False, repr=False)
    untold: UntoldError | None = field(default=None, compare=False, repr=False)
    """Which rules can't be judged, as what its Swarm service publishes is unknown; the verdict is
    the same where nothing else is wrong."""
    labels: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    just_started: bool = field(default=False, compare=False, repr=False)
    """Whether it has been up for less than a minute."""
    substitute: Substitute | None = field(default=None, compare=False, repr=False)
    """None where it runs its image's command, and where nothing made it worth asking."""

    @property
    def service(self) -> Service | None:
        """The Swarm or Compose service that it is of, None where it is of none."""
        return Service.of(self.labels, self.name, self.image.id)

    @property
    def role(self) -> str:
        """What findings call it: a task of its Swarm service, as all of these are alike."""
        task = self.service is not None and self.service.id is not None
        if self.is_infra:
            return f"pod {self}"
        return f"a task of service {self.service}" if task else str(self)

    @property
    def documented(self) -> Ports:
        """The ports that its image documents: what EXPOSE wrote."""
        return self.image.documented

    @property
    def listening(self) -> Ports:
        """The ports of its reachable listeners."""
        return Ports(x.port for x in self.listeners if x.kind == "reachable")

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the selected rules find wrong with it.

        Raises ObservationError where that hangs on listeners that nothing readable attributes, and
        where nothing is found but it hangs on what a Swarm service publishes and nobody tells.
        """
        if isinstance(self.verdict, ObservationError):
            raise self.verdict.with_traceback(None)  # it may be raised many times
        return self.verdict

    def __str__(self) -> str:
        return printable(self.name)

    def __repr__(self) -> str:
        """Return a short text: pytest shows it beside every failed assertion."""
        return f"<container {self} of {self.image}>"


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
