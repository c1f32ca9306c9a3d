"""What a rule is, and what it judges. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from pytest_exposed.model import NO_IMAGE, Container, Finding, Listener, Publication, endpoint
from pytest_exposed.model.ports import Port, Ports
from pytest_exposed.rules.forwarding import destinations, is_reached, lines
from pytest_exposed.text import printable
from pytest_exposed.values import dataclass

SHELL = 22
"""The port of SSH, which no service's port is a slip of."""


class Case(NamedTuple):  # which takes the least time to make: there may be 65,535 of them
    """One port of one container, with all that the rules ask about it."""

    container: Container
    port: Port
    own: tuple[Listener, ...]
    """The container's listeners on the port."""
    answering: tuple[Listener, ...]
    """Those that answer a publication: its own, and its neighbours' in the network namespace."""
    published: tuple[Publication, ...]
    listening: Ports
    """All ports of the container's reachable listeners."""
    alike: tuple[Port, ...]
    """Those of the same number under the other protocols."""
    documented: bool
    """Whether its image documents the port."""
    on_demand: bool
    """Whether its image documents it in a range that looks used on demand."""
    neighbours: tuple[Container, ...]
    """Those in the network namespace that listen on the port."""
    is_up: bool
    """Whether the container serves some port that its image documents."""
    unsure: bool = False
    """Whether it is unknown which of the neighbours listens on the port."""

    @property
    def image(self) -> str:
        """The image's name, to show."""
        return str(self.container.image)

    @property
    def subject(self) -> str:
        """The container's name; "the container" where its image has the same name.

        The container of --exposed-run is called by its image.
        """
        role = self.container.role
        return "the container" if role == self.image else role

    @property
    def server(self) -> str:
        """The name of the container that listens on the port, if not it, then a neighbour."""
        if self.own or not self.neighbours:
            return self.subject
        return " or ".join(map(str, self.neighbours if self.unsure else self.neighbours[:1]))

    @property
    def where(self) -> str:
        """Where the port is published on the host: "0.0.0.0:8080, [::]:8080"."""
        return where(self.published)

    @property
    def published_as(self) -> str:
        """How it is published: "published as 0.0.0.0:8080", and by which Swarm service."""
        return f"published{self.by_service} as {self.where}"

    @property
    def by_service(self) -> str:
        """The words for the Swarm service or pod that publishes; none for the container itself."""
        service = self.container.service
        if service is not None and service.id:
            return f" by service {service}"
        of_pod = self.container.pod is not None and not self.container.is_infra
        return f" by pod {printable(self.container.pod or '')}" if of_pod else ""

    @property
    def undocumented(self) -> str:
        """The words for an image that doesn't document the port, or for none that could."""
        if self.container.image == NO_IMAGE:
            return "it has no image that could EXPOSE it"
        if self.container.documented_at_run is not None:
            return f"neither {self.image} nor {self.subject} documents it"
        return f"{self.image} does not EXPOSE it"

    @property
    def documenter(self) -> str:
        """What documents the port: "shop/web:1.4 documents it", "web declares it"."""
        if self.only_declared:
            return f"{self.subject} declares it"
        return f"{self.image} documents it"

    @property
    def only_declared(self) -> bool:
        """Whether the port is documented by what the container declares alone."""
        return self.documented and self.port not in self.container.image.documented

    def led_elsewhere(self) -> tuple[tuple[Publication, ...], tuple[Publication, ...]]:
        """Return the publications that no listener takes, and those for which that is unknown.

        What one -p publishes for IPv4 and IPv6 is reached where it is reached by one.
        """
        forwarding = self.container.forwarding
        heard = [x for x in self.answering if x.kind in ("reachable", "ephemeral")]
        missed: list[Publication] = []
        unknown: list[Publication] = []
        for line in lines(self.published, forwarding):
            reached = {is_reached(heard, x, forwarding) for x in line}
            if True not in reached:
                (unknown if None in reached else missed).extend(line)
        return tuple(missed), tuple(unknown)

    def addresses(self, published: Iterable[Publication]) -> tuple[str, ...] | None:
        """Return the addresses to which publications lead; None where one is unknown."""
        forwarding = self.container.forwarding
        ends = [y for x in published for y in destinations(x, forwarding)]
        if None in ends:
            return None
        return tuple(dict.fromkeys(y for x in ends for y in x or ()))

    @property
    def bind(self) -> str:
        """What a server has to bind to be reached as the port is documented and published."""
        ends = self.addresses(self.published)
        ipv6 = self.container.wildcard == "::" or any(":" in x for x in ends or ())
        address = "::" if ipv6 or (self.published and ends is None) else "0.0.0.0"  # noqa: S104
        return endpoint(address, self.port.number)

    def listening_elsewhere(self) -> Ports:
        """Return the container's other listening ports, to publish the right one of."""
        published = {x.port for x in self.container.published}
        dynamic = {x.port for x in self.container.listeners if x.dynamic}
        return self.listening - {self.port, Port(SHELL), *published, *dynamic}


def where(published: Iterable[Publication]) -> str:
    """Return where the host answers, and which of it is the ingress of a swarm's nodes."""
    return ", ".join(f"{x.endpoint} (ingress)" if x.ingress else x.endpoint for x in published)


def processes(listeners: Iterable[Listener]) -> str:
    owners = sorted({x for listener in listeners for x in listener.owners})
    shown = ", ".join(map(str, owners[:3]))
    return f"{shown} and {len(owners) - 3} more" if len(owners) > 3 else shown


def who(listener: Listener) -> str:
    shown = processes([listener])
    return f"{listener.endpoint} ({shown})" if shown else listener.endpoint


LAYER = " (layer: "
"""Where a message ends with the words of an image's layer."""

Breach = tuple[str, str]
"""Message and fix of a broken rule."""

Judge = Callable[[Case], Breach | None]
JudgeOfContainer = Callable[[Container], Breach | None]
Gather = Callable[[Container, Sequence[Listener]], Iterable[Finding]]
Advises = Callable[[Case], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule's name, its groups, what it says in a line, and its judgement.

    It judges each port of a container, or the container as a whole.
    """

    name: str
    groups: tuple[str, ...]
    summary: str
    help: str
    """Why it matters, and what to do."""
    judge: Judge | None = None
    judge_container: JudgeOfContainer | None = None
    by_listeners: bool = True
    """Whether it judges by who listens, which changes while a container starts."""
    by_owners: bool = False
    """Whether it judges by the processes that hold listeners."""
    gather: Gather | None = None
    """Returns the findings of all listeners on the ports that break it, where these are not a
    finding each. Such findings have no number in baselines."""
    needs: frozenset[str] = frozenset()
    """What its message needs that is looked up only for it: "history" of the image, "command" of
    the container, "stopped" containers that would be in its network."""
    advises: Advises | None = None
    """Returns whether what it finds on a port is a warning; None where that never is."""
    warns: bool = False
    """Whether all that it finds are warnings, as --exposed-warn asks for."""

    def finding(self, breach: Breach, case: Case | None = None) -> Finding:
        """Return the finding of a breach, of a port's case where it judges ports."""
        if case is None:
            return Finding(self.name, None, *breach, warning=self.warns)
        advice = self.advises is not None and self.advises(case)
        return Finding(self.name, case.port, *breach, warning=self.warns or advice)


def rule(
    name: str,
    *groups: str,
    by_listeners: bool = True,
    by_owners: bool = False,
    gather: Gather | None = None,
    needs: Iterable[str] = (),
    advises: Advises | None = None,
) -> Callable[[Judge], Rule]:
    """Make a rule of a function; its docstring is what users read of the rule."""
    return lambda judge: Rule(
        name,
        groups,
        *_parts(judge.__doc__),
        judge,
        by_listeners=by_listeners,
        by_owners=by_owners,
        gather=gather,
        needs=frozenset(needs),
        advises=advises,
    )


def rule_of_container(name: str, *groups: str) -> Callable[[JudgeOfContainer], Rule]:
    """Make a rule of a function that judges a container as a whole."""
    return lambda judge: Rule(
        name, groups, *_parts(judge.__doc__), judge_container=judge, by_listeners=False
    )


def _parts(docstring: str | None) -> tuple[str, str]:
    """Return the first line of a rule's docstring, which says what it is, and the rest, why."""
    summary, _, rest = (docstring or "").strip().partition("\n")
    return summary, " ".join(rest.split())
