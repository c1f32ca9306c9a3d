"""Values: images, findings, and observed containers."""

from __future__ import annotations

import re
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
    """Its id, sha256:…."""
    name: str
    """The name that it was asked for by, or that its container was started by."""
    documented: Ports
    """The ports of its EXPOSE."""
    invalid: tuple[str, ...] = ()
    """Invalid entries of its ExposedPorts."""
    labels: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    history: tuple[str, ...] | None = field(default=None, compare=False, repr=False)
    """The commands of its layers, newest first; None if not looked up."""
    digests: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """Its names in registries, REPOSITORY@sha256:…; empty for one that was only built here."""
    names: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """All its names, with the history."""
    parents: Mapping[int, tuple[str, ...]] = field(default_factory=dict, compare=False, repr=False)
    """All names of each image that ends within its history, by its index in history."""
    entrypoint: tuple[str, ...] = field(default=(), compare=False, repr=False)
    command: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def is_from_registry(self) -> bool:
        """Whether a registry has it, so that somebody else may own its Dockerfile.

        Podman gives an image that was built here a digest of localhost.
        """
        return any(not x.startswith(("localhost/", "<none>")) for x in self.digests)

    def __str__(self) -> str:
        # Docker shows as much of an id.
        return re.sub(r"^(sha256:[0-9a-f]{12})[0-9a-f]{52}$", r"\1", printable(self.name))

    def __repr__(self) -> str:
        """Return a short text: pytest shows it beside every failed assertion."""
        return f"<image {self}>"


NO_IMAGE = Image(id="", name="no image", documented=Ports())
"""The image of a container without one: made from a folder (podman --rootfs), or by podman."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule broken by a port of a container, or by the container itself."""

    rule: str
    """The rule's name: "silent"."""
    port: Port | None
    """The port, or None where it is about the container."""
    message: str
    """What was found."""
    fix: str
    """What to do about it."""
    waived: str | None = None
    """The reason of the waiver that accepts it, or None."""
    more_ports: tuple[Port, ...] = ()
    """The further ports, if it is about several of a process; port is the first."""
    warning: bool = False
    """Whether it is only a warning: shown and reported, but no failure."""

    @property
    def ports(self) -> tuple[Port, ...]:
        """All its ports, in order; empty for a finding about the container."""
        return (self.port, *self.more_ports) if self.port else ()

    @property
    def fails(self) -> bool:
        """Whether it makes its container fail: it is neither waived nor a warning."""
        return self.waived is None and not self.warning

    @property
    def warns(self) -> bool:
        """Whether it is a warning and not waived."""
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
    """The command that a container runs instead of its image's."""

    what: str
    """The command in words, to follow "it runs"."""
    fix: str | None
    """What to do about it, if known."""


@dataclass(frozen=True, slots=True)
class StoppedJoiner:
    """A container that doesn't run, and that would be in the network of another."""

    name: str
    serves: Ports
    """The ports that its image documents; none if that is unknown, or it runs another command."""
    is_lost: bool
    """Whether the container whose network it joined was removed, and may have been another one."""


@dataclass(frozen=True, slots=True)
class Container:
    """An observed container: its documented, declared and published ports, and its listeners."""

    id: str
    """Its id of 64 digits."""
    name: str
    """Its name, without a slash."""
    image: Image
    """Its image, by id: a tag that has moved on changes nothing."""
    network_mode: str
    """As the engine has it: bridge, host, a network's name, container:ID."""
    state: str
    """running or paused."""
    declared: Ports
    """The ports that -p, -P or --expose name for this container."""
    published: tuple[Publication, ...]
    """Where the host answers for its ports."""
    listeners: tuple[Listener, ...]
    """All its listeners, reachable or not, sorted by port."""
    source: str
    """The source that saw the sockets: netlink, procfs, helper or exec."""
    host: str = ""
    at_host: bool = field(default=False, repr=False)
    """Whether its network namespace is the engine's host's, as far as known."""
    pod: str | None = None
    """The name of its pod (podman); None without one."""
    is_infra: bool = field(default=False, repr=False)
    """Whether it is its pod's infra container, which holds the pod's network and publications."""
    neighbours: tuple[Container, ...] = field(default=(), repr=False)
    """The other containers in its network namespace; their own neighbours are left out."""
    rejoin: str = field(default="", compare=False, repr=False)
    """How to get it into the network that it joined, and that it is no longer in."""
    left_behind: tuple[Container, ...] = field(default=(), compare=False, repr=False)
    """Those that are no longer in the network that they joined, which may have been its own."""
    stopped_joiners: tuple[StoppedJoiner, ...] = field(default=(), compare=False, repr=False)
    """Those that don't run and joined its network, or one that has been removed, if looked up."""
    forwarding: Forwarding = field(default=Forwarding(), compare=False, repr=False)
    """The addresses to which its engine forwards its publications."""
    wildcard: str = field(default="0.0.0.0", compare=False, repr=False)  # noqa: S104
    """The address to bind to be reachable in all its networks: :: if it has no IPv4."""
    notes: tuple[str, ...] = ()
    """Facts worth a line that break no rule, such as a publication without effect."""
    verdict: tuple[Finding, ...] | ObservationError = field(default=(), compare=False, repr=False)
    publications_unknown: PublicationsUnknownError | None = field(
        default=None, compare=False, repr=False
    )
    """Why some rules can't be judged: its Swarm service's ports are unknown. It is also the verdict
    if nothing else is wrong."""
    labels: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    just_started: bool = field(default=False, compare=False, repr=False)
    """Whether it has been up for less than a minute."""
    documented_at_run: Ports | None = field(default=None, compare=False, repr=False)
    """With documented="run", the ports of its image together with those that it declares; None if
    only the image documents ports."""
    substitute: CommandOverride | None = field(default=None, compare=False, repr=False)
    """None if it runs its image's command, or if no finding required a look."""

    @property
    def service(self) -> Service | None:
        """Its Swarm or Compose service, or None."""
        return Service.of(self.labels, self.name, self.image.id)

    @property
    def role(self) -> str:
        """Its name in findings; all tasks of a Swarm service have the same."""
        task = self.service is not None and self.service.id is not None
        if self.is_infra:
            return f"pod {self}"
        return f"a task of service {self.service}" if task else str(self)

    @property
    def documented(self) -> Ports:
        """The ports that its image documents by EXPOSE.

        With documented="run", also the ports that the container declares.
        """
        at_run = self.documented_at_run
        return self.image.documented if at_run is None else at_run

    @property
    def listening(self) -> Ports:
        """The ports of its reachable listeners."""
        return Ports(x.port for x in self.listeners if x.kind == "reachable")

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of the selected rules.

        Raises ObservationError if they depend on listeners of unknown owners, or if there are none
        and they depend on the unknown ports of a Swarm service.
        """
        if isinstance(self.verdict, ObservationError):
            raise self.verdict.with_traceback(None)  # raised many times
        return self.verdict

    def __str__(self) -> str:
        return printable(self.name)

    def __repr__(self) -> str:
        """Return a short text: pytest shows it beside every failed assertion."""
        return f"<container {self} of {self.image}>"


Observed = Container | ObservationError
"""The result of observing a container: a snapshot, or the error why there is none."""
