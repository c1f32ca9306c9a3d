"""Judging a container by rules: which of its ports break which. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_exposed.errors import ObservationError
from pytest_exposed.model import Container, Finding, Listener, Publication
from pytest_exposed.ports import Port, Ports
from pytest_exposed.rules import RULES, Case, Rule


def findings(container: Container, rules: Sequence[Rule]) -> tuple[Finding, ...]:
    """Return what rules find wrong with a container, sorted by port.

    Raises ObservationError where the answer hangs on a listener that nothing can attribute: where
    it would be another one if that were this container's.
    """
    found: list[Finding] = []
    scene = _Scene(container, container.listening, _neighbours(container))
    for port, listeners, publications in _ports_of(container):
        own = tuple(x for x in listeners if x.kind != "unattributed")
        doubtful = tuple(x for x in listeners if x.kind == "unattributed")
        certain = _judge(scene.case(port, own, doubtful, publications), rules)
        # Each alone and all together: a port is judged by the kinds that are among its listeners.
        for assumed in dict.fromkeys([*((x,) for x in doubtful), doubtful] if doubtful else []):
            mine = tuple(map(_presumed, assumed))
            verdict = _judge(scene.case(port, own + mine, doubtful, publications), rules)
            if [x.rule for x in verdict] != [x.rule for x in certain]:
                raise ObservationError(
                    f"whose {', '.join(map(str, assumed))} is can't be told: {container} shares "
                    "its network namespace, and the sockets of its processes are hidden from this "
                    "user: run as root on the engine's host"
                )
        found += certain
    for rule in rules:
        broken = rule.judge_container(container) if rule.judge_container else None
        if broken is not None:
            found.append(Finding(rule.name, None, *broken))
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


@dataclass(frozen=True, slots=True)
class _Scene:
    """What all cases of a container have in common."""

    container: Container
    listening: Ports
    neighbours: Mapping[Port, Sequence[tuple[Container, Listener]]]

    def case(
        self,
        port: Port,
        own: tuple[Listener, ...],
        doubtful: tuple[Listener, ...],
        published: tuple[Publication, ...],
    ) -> Case:
        # A publication leads to the namespace: whoever in it listens there answers.
        others = self.neighbours.get(port, ())
        elsewhere = (*(x for _, x in others), *map(_presumed, doubtful)) if published else ()
        return Case(
            container=self.container,
            port=port,
            own=own,
            answering=own + elsewhere,
            published=published,
            listening=self.listening,
            documented=port in self.container.documented,
            documented_by_neighbour=any(port in x.documented for x, _ in others),
        )


def _neighbours(container: Container) -> dict[Port, list[tuple[Container, Listener]]]:
    found: dict[Port, list[tuple[Container, Listener]]] = {}
    for neighbour in container.neighbours:
        for listener in neighbour.listeners:
            found.setdefault(listener.port, []).append((neighbour, _presumed(listener)))
    return found


def _presumed(listener: Listener) -> Listener:
    """Return an unattributed listener as what it is to those outside, whoever's it is."""
    return replace(listener, kind=listener.presumed) if listener.presumed else listener


def _judge(case: Case, rules: Sequence[Rule]) -> list[Finding]:
    found: list[Finding] = []
    for rule in rules:
        # Of the default group a port breaks one rule at most, the first.
        if "default" in rule.groups and any("default" in RULES[x.rule].groups for x in found):
            continue
        verdict = rule.judge(case) if rule.judge else None
        if verdict is not None:
            found.append(Finding(rule.name, case.port, *verdict))
    return found
