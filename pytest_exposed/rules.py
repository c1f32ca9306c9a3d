"""The rules: what is wrong with a port of a container, why, and what to do. Pure.

A rule is a function of a Case that returns what is wrong, or None; the decorator gives its name and
its groups. Those of the default group are tried in the order written, and a port breaks one of them
at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from pytest_exposed.errors import ConfigurationError, ObservationError
from pytest_exposed.model import Container, Finding, Listener, Publication
from pytest_exposed.ports import PROTOCOLS, Port, Ports
from pytest_exposed.text import printable

CIS = "CIS Docker Benchmark 1.6.0"


@dataclass(frozen=True)
class Case:
    """One port of one container, with all that the rules ask about it."""

    container: Container
    port: Port
    own: tuple[Listener, ...]
    """The container's listeners on the port."""
    answering: tuple[Listener, ...]
    """Those that answer a publication: its own, and its neighbours' in the network namespace."""
    published: tuple[Publication, ...]
    documented: bool
    """Whether its image documents the port."""
    documented_by_neighbour: bool
    """Whether the image of a neighbour does that listens on the port."""

    @property
    def image(self) -> str:
        """The image's name, to show."""
        return str(self.container.image)

    @property
    def where(self) -> str:
        """Where the port is published on the host: "0.0.0.0:8080, [::]:8080"."""
        return ", ".join(x.endpoint for x in self.published)

    @cached_property
    def other_protocols(self) -> tuple[Port, ...]:
        """The same number under the other protocols."""
        return tuple(Port(self.port.number, x) for x in PROTOCOLS if x != self.port.protocol)

    def listening_elsewhere(self) -> str:
        """Return the container's other listening ports, to choose the right one from."""
        ports = self.container.listening - {self.port}
        return f"it listens on {ports}" if ports else "it listens on nothing"


Judge = Callable[[Case], "tuple[str, str] | None"]
"""Returns message and fix, or None."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule's name, its groups, what it says in a line, and its judgement of a port."""

    name: str
    groups: tuple[str, ...]
    summary: str
    judge: Judge


RULES: dict[str, Rule] = {}


def _rule(name: str, *groups: str) -> Callable[[Judge], Judge]:
    def add(judge: Judge) -> Judge:
        summary = (judge.__doc__ or "").strip().splitlines()[0]
        RULES[name] = Rule(name, groups, summary, judge)
        return judge

    return add


@_rule("unreachable", "default")
def _unreachable(case: Case) -> tuple[str, str] | None:
    """It is documented or published, and nothing outside can reach its listeners."""
    listeners = case.answering if case.published else case.own
    expected = case.documented or case.published
    if not (expected and listeners) or any(_answers(x) for x in listeners):
        return None
    why = f"published as {case.where}" if case.published else f"{case.image} documents it"
    only = ", ".join(_who(x) for x in listeners)
    if all(x.kind == "unreachable" for x in listeners):
        message = f"{why}, and its only listener can't be reached from outside: {only}"
        if all(x.v6only for x in listeners):
            message += ", IPv6-only in a container without an IPv6 address"
        return message, "bind 0.0.0.0, or give the container a network with that address"
    return (
        f"{why}, and its only listener is on loopback: {only}",
        f"bind 0.0.0.0:{case.port.number} in {case.container}"
        + ("" if case.published else f", or remove EXPOSE {case.port}"),
    )


@_rule("published-silent", "default")
def _published_silent(case: Case) -> tuple[str, str] | None:
    """It is published, and nothing listens on it."""
    if not case.published or case.answering:
        return None
    return (
        f"published as {case.where}, and nothing in {case.container} listens on {case.port}",
        f"start its service, or publish a port that answers: {case.listening_elsewhere()}",
    )


@_rule("silent", "default")
def _silent(case: Case) -> tuple[str, str] | None:
    """It is documented, and nothing listens on it."""
    if not case.documented or case.own:
        return None
    message = f"{case.image} documents it, and nothing in {case.container} listens on it"
    for other in case.other_protocols:
        if other in case.container.listening:
            return (
                f"{message}, but on {other}: EXPOSE {case.port.number} means {case.port}",
                f"write EXPOSE {other} in its Dockerfile",
            )
    origin = exposed_by(case.container.image.history, case.port)
    if origin is not None:
        base = next(
            (name for place, name in case.container.image.parents.items() if place <= origin), None
        )
        if base is not None:
            return (
                f"{message}; inherited from {printable(base)}",
                "an inherited EXPOSE can't be taken back: start its service, or waive it",
            )
        assert case.container.image.history is not None
        message += f" (layer: {_layer(case.container.image.history[origin])})"
    return message, f"start its service, or remove EXPOSE {case.port} from its Dockerfile"


@_rule("published-undocumented", "default")
def _published_undocumented(case: Case) -> tuple[str, str] | None:
    """It is published, and the image does not document it."""
    if not case.published or case.documented or case.documented_by_neighbour:
        return None
    return (
        f"published as {case.where}, and {case.image} does not EXPOSE it",
        _add_expose(case),
    )


@_rule("undocumented", "default", "cis")
def _undocumented(case: Case) -> tuple[str, str] | None:
    """It is listening, and the image does not document it."""
    reachable = [x for x in case.own if x.kind == "reachable"]
    if not reachable or case.documented:
        return None
    several = len({x for listener in reachable for x in listener.owners}) > 1
    verb = "listen on" if several else "listens on"
    who = _processes(reachable) or "something"
    where = ", ".join(x.endpoint for x in reachable)
    hint = ""
    if case.port in case.container.declared:
        hint = "; --expose or -p documents it for this container only"
    return f"{who} {verb} {where}, and {case.image} does not EXPOSE it{hint}", _add_expose(case)


def _add_expose(case: Case) -> str:
    for other in case.other_protocols:
        if other in case.container.documented:
            return (
                f"add to its Dockerfile: EXPOSE {case.port} "
                f"(EXPOSE {other.number} there means {other})"
            )
    return f"add to its Dockerfile: EXPOSE {case.port}"


def _answers(listener: Listener) -> bool:
    return listener.kind in ("reachable", "ephemeral")


def _processes(listeners: Iterable[Listener]) -> str:
    owners = sorted({x for listener in listeners for x in listener.owners})
    shown = ", ".join(map(str, owners[:3]))
    return f"{shown} and {len(owners) - 3} more" if len(owners) > 3 else shown


def _who(listener: Listener) -> str:
    processes = _processes([listener])
    return f"{listener.endpoint} ({processes})" if processes else listener.endpoint


def exposed_by(history: Sequence[str] | None, port: Port) -> int | None:
    """Return the place in an image's history of the layer that exposed a port; newest first.

    The classic builder writes `/bin/sh -c #(nop)  EXPOSE 80/tcp 443/tcp`, BuildKit
    `EXPOSE [80/tcp 443/tcp]` or `EXPOSE map[80/tcp:{}]`.
    """
    for place, command in enumerate(history or ()):
        _, found, written = command.partition("EXPOSE ")
        words = written.replace("map[", " ").replace("[", " ").replace("]", " ").replace(":{}", " ")
        if found and port in Ports.from_exposed(words.split())[0]:
            return place
    return None


def _layer(command: str) -> str:
    return printable(command.removeprefix("/bin/sh -c #(nop)").strip(), 60)


def split(texts: str | Iterable[str]) -> tuple[str, ...]:
    """Return the names in comma-separated texts."""
    lines = [texts] if isinstance(texts, str) else texts
    return tuple(x.strip() for line in lines for x in line.split(",") if x.strip())


def expand(names: Iterable[str]) -> set[str]:
    """Return the names of the rules that names of rules and groups mean.

    Raises ConfigurationError for a name that is neither.
    """
    groups = [*sorted({x for rule in RULES.values() for x in rule.groups}), "all"]
    found: set[str] = set()
    for name in names:
        members = {x.name for x in RULES.values() if name in ("all", x.name) or name in x.groups}
        if not members:
            raise ConfigurationError(
                f"{name!r} is not a rule or a group of rules: rules are {', '.join(RULES)}; "
                f"groups are {', '.join(groups)}"
            )
        found |= members
    return found


def select(chosen: Iterable[str] = (), ignored: Iterable[str] = ()) -> tuple[Rule, ...]:
    """Return the rules of chosen names and groups, the default group for none, but ignored ones.

    Raises ConfigurationError for a name that is neither a rule nor a group.
    """
    wanted = expand(chosen) or expand(["default"])
    unwanted = expand(ignored)
    return tuple(x for x in RULES.values() if x.name in wanted and x.name not in unwanted)


def findings(container: Container, rules: Sequence[Rule]) -> tuple[Finding, ...]:
    """Return what rules find wrong with a container, sorted by port.

    Raises ObservationError where the answer hangs on a listener that nothing can attribute: where
    it would be another one if that were this container's.
    """
    found: list[Finding] = []
    for port, listeners, publications in _ports_of(container):
        own = tuple(x for x in listeners if x.kind != "unattributed")
        doubtful = tuple(x for x in listeners if x.kind == "unattributed")
        certain = _judge(_case(container, port, own, doubtful, publications), rules)
        # Each alone and all together: a port is judged by the kinds that are among its listeners.
        for assumed in {doubtful, *((x,) for x in doubtful)} - {()}:
            mine = tuple(replace(x, kind=x.presumed or x.kind) for x in assumed)
            verdict = _judge(_case(container, port, own + mine, doubtful, publications), rules)
            if [x.rule for x in verdict] != [x.rule for x in certain]:
                raise ObservationError(
                    f"whose {', '.join(map(str, assumed))} is can't be told: {container} shares "
                    "its network namespace, and the sockets of its processes are hidden from this "
                    "user: run as root on the engine's host"
                )
        found += certain
    return tuple(found)


def _ports_of(
    container: Container,
) -> Iterable[tuple[Port, tuple[Listener, ...], tuple[Publication, ...]]]:
    """Yield each port that a rule may speak of, with the container's listeners and publications."""
    listeners: dict[Port, list[Listener]] = {}
    for listener in container.listeners:
        listeners.setdefault(listener.port, []).append(listener)
    publications: dict[Port, list[Publication]] = {}
    for publication in container.published:
        publications.setdefault(publication.port, []).append(publication)
    for port in sorted({*container.documented, *listeners, *publications}):
        yield port, tuple(listeners.get(port, ())), tuple(publications.get(port, ()))


def _case(
    container: Container,
    port: Port,
    own: tuple[Listener, ...],
    doubtful: tuple[Listener, ...],
    published: tuple[Publication, ...],
) -> Case:
    # A publication leads to the namespace: whoever in it listens there answers.
    others = [
        (neighbour, replace(x, kind=x.presumed or x.kind))
        for neighbour in container.neighbours
        for x in neighbour.listeners
        if x.port == port
    ]
    elsewhere = tuple(replace(x, kind=x.presumed or x.kind) for x in doubtful)
    return Case(
        container=container,
        port=port,
        own=own,
        answering=own + (tuple(x for _, x in others) + elsewhere if published else ()),
        published=published,
        documented=port in container.documented,
        documented_by_neighbour=any(port in x.documented for x, _ in others),
    )


def _judge(case: Case, rules: Sequence[Rule]) -> list[Finding]:
    found: list[Finding] = []
    for rule in rules:
        # Of the default group a port breaks one rule at most, the first.
        if "default" in rule.groups and any("default" in RULES[x.rule].groups for x in found):
            continue
        verdict = rule.judge(case)
        if verdict is not None:
            found.append(Finding(rule.name, case.port, *verdict))
    return found
