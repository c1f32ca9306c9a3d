"""Values: images, findings, and containers as observed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from pytest_exposed.errors import ObservationError, PublicationsUnknownError
from pytest_exposed.model.listeners import Forwarding, Listener, Publication
from pytest_exposed.model.ports import Port, Ports
from pytest_exposed.model.services import Service
from pytest_exposed.text import printable
from pytest_exposed.values import dataclass


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
class CommandOverride:
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
    """Whether its network namespace is that of the engine's host, as far as it is known."""
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
    publications_unknown: PublicationsUnknownError | None = field(
        default=None, compare=False, repr=False
    )
    """Which rules can't be judged, as what its Swarm service publishes is unknown; the verdict is
    the same where nothing else is wrong."""
    labels: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    just_started: bool = field(default=False, compare=False, repr=False)
    """Whether it has been up for less than a minute."""
    documented_at_run: Ports | None = field(default=None, compare=False, repr=False)
    """What is documented where the container's own word counts, too: its image's ports and those
    that it declares. None where the image alone documents ports."""
    substitute: CommandOverride | None = field(default=None, compare=False, repr=False)
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
        """The ports that its image documents: what EXPOSE wrote.

        With documented="run" those that the container declares are among them.
        """
        at_run = self.documented_at_run
        return self.image.documented if at_run is None else at_run

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


Observed = Container | ObservationError
"""What observing a container gives: a snapshot of it, or why there is none."""
