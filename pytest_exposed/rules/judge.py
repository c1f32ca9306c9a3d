"""Judging a container by rules: which of its ports break which. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from pytest_exposed.errors import ObservationError
from pytest_exposed.model import Container, Finding, Listener, Publication, by_port
from pytest_exposed.model.ports import HIGHEST, PROTOCOLS, Port, Ports, order
from pytest_exposed.rules import RULES, Case, Rule
from pytest_exposed.rules.multicast import NUMBERS
from pytest_exposed.rules.on_demand import on_demand
from pytest_exposed.text import printable
from pytest_exposed.values import dataclass

Listeners = tuple[Listener, ...]

_CLOSED = ("loopback", "unreachable")


def findings(container: Container, rules: Sequence[Rule]) -> tuple[Finding, ...]:
    """Return what rules find wrong with a container, sorted by port; raises as search does."""
    return tuple(search(container, rules))


def discovery_ports(container: Container) -> Ports:
    """Return the ports that a container has for multicast discovery: what `multicast` finds."""
    if not any(x.port.number in NUMBERS for x in container.listeners):
        return Ports()
    try:
        return Ports(x.port for x in search(container, [RULES["multicast"]]) if x.port)
    except ObservationError:
        return Ports()


def brief(findings: Iterable[Finding]) -> str:
    """Return which rules are broken by which ports: "silent 80-82/tcp, undocumented 9000/tcp"."""
    ports: dict[str, list[Port]] = {}
    for x in findings:
        ports.setdefault(x.rule, []).extend(x.ports)
    return ", ".join(f"{rule} {Ports(found)}" if found else rule for rule, found in ports.items())


def quick_verdict(container: Container, rules: Sequence[Rule]) -> tuple[bool, frozenset[str]]:
    """Return whether anything is wrong, and what the broken rules' texts need (Rule.needs).

    The search stops as soon as both are known.
    """
    needs = {x.name: x.needs for x in rules}
    most = frozenset[str]().union(*needs.values())
    expected = container.documented | {x.port for x in container.published}
    if expected <= Ports(x.port for x in container.listeners if x.kind not in _CLOSED):
        most = frozenset()  # they are about ports that nothing answers on
    wrong, needed = False, frozenset[str]()
    try:
        for finding in search(container, rules):
            wrong, needed = True, needed | needs[finding.rule]
            if needed >= most:
                break
    except ObservationError:
        wrong = True
    return wrong, needed


def search(container: Container, rules: Sequence[Rule]) -> Iterator[Finding]:
    """Yield the findings one by one: a caller may need only the first.

    Raises ObservationError where the answer depends on an unattributed listener: it would differ if
    that were this container's.
    """
    scene = _scene(container)
    gathered: dict[str, list[Listener]] = {x.name: [] for x in rules if x.gather}
    for port, listeners, publications in _ports_of(container):
        own, doubtful = _attributed(listeners)
        certain = _judge(scene.case(port, own, doubtful, publications), rules)
        for assumed, case in _assumptions(scene, port, (own, doubtful), publications):
            if [x.rule for x in _judge(case, rules)] != [x.rule for x in certain]:
                raise unattributed(container, assumed)
        for finding in certain:
            if finding.rule in gathered:
                gathered[finding.rule] += own
            else:
                yield finding
    for rule in rules:
        if rule.gather is not None:
            found = rule.gather(container, gathered[rule.name])
            yield from (replace(x, warning=rule.warns) for x in found)
        broken = rule.judge_container(container) if rule.judge_container else None
        if broken is not None:
            yield rule.finding(broken)


def unattributed(container: Container, listeners: Iterable[Listener]) -> ObservationError:
    """Return the error of an answer that depends on unattributed listeners."""
    return ObservationError(
        f"which container {printable(', '.join(map(str, listeners)), 160)} belongs to is "
        f"unknown: {container} shares its network namespace, and {container.source} doesn't show "
        "which processes hold its sockets: run as root on the engine's host, with the source auto"
    )


def hanging_on_publications(container: Container, rules: Sequence[Rule]) -> tuple[str, ...]:
    """Return which rules an unknown ingress publication, of any port, could break.

    Each rule is tried alone, so that the others still judge the container in full. Ephemeral
    listeners are left as they are: clients' sockets come and go.
    """
    scene = _scene(container)
    ports = {port: (listeners, published) for port, listeners, published in _ports_of(container)}
    every = (Port(number, x) for number in range(1, HIGHEST + 1) for x in PROTOCOLS)
    unused = (x for x in every if x not in ports and x not in scene.neighbours)
    for port in (*scene.neighbours, *islice(unused, 1)):
        ports.setdefault(port, ((), ()))
    broken: set[str] = set()
    for port, (listeners, published) in ports.items():
        own, doubtful = _attributed(listeners)
        # On all addresses and a privileged port, to break every rule that it could.
        ingress = Publication(port, "0.0.0.0", 1, ingress=True)  # noqa: S104
        known = scene.case(port, own, doubtful, published)
        assumed = scene.case(port, own, doubtful, (*published, ingress))
        broken |= {x.name for x in rules if _may_break(x, assumed) and not _may_break(x, known)}
    return tuple(x.name for x in rules if x.name in broken)


def _assumptions(
    scene: _Scene,
    port: Port,
    listeners: tuple[Listeners, Listeners],
    publications: tuple[Publication, ...],
) -> Iterator[tuple[Listeners, Case]]:
    """Yield what may be true of unattributed listeners: which, and the case if that is so.

    listeners are the container's own and the doubtful ones.
    """
    own, doubtful = listeners
    # Each alone and all together: the answer depends on which kinds of listeners a port has.
    for assumed in dict.fromkeys([*((x,) for x in doubtful), doubtful] if doubtful else []):
        mine = tuple(map(presumed, assumed))
        yield assumed, scene.case(port, own + mine, doubtful, publications)
    # Or they are a neighbour's: each documents what its image does.
    case = scene.case(port, own, doubtful, publications)
    if publications and case.unsure and len(case.neighbours) > 1:
        yield from ((doubtful, case._replace(neighbours=(x,))) for x in case.neighbours)


def _may_break(rule: Rule, case: Case) -> bool:
    try:
        return rule.judge is not None and rule.judge(case) is not None
    except ObservationError:
        return True


def _attributed(listeners: Listeners) -> tuple[Listeners, Listeners]:
    """Return the container's own listeners, and the unattributed ones."""
    own = tuple(x for x in listeners if x.kind != "unattributed")
    return own, tuple(x for x in listeners if x.kind == "unattributed")


def _ports_of(container: Container) -> Iterator[tuple[Port, Listeners, tuple[Publication, ...]]]:
    """Yield each port that a rule may speak of, with the container's listeners and publications."""
    listeners, publications = by_port(container.listeners), by_port(_judged_here(container))
    for port in sorted({*container.documented, *listeners, *publications}, key=order):
        yield port, tuple(listeners.get(port, ())), tuple(publications.get(port, ()))


def _judged_here(container: Container) -> Iterable[Publication]:
    """Return the publications that are judged with a container.

    A pod's publications are judged with each of its containers that listens on the port, or with
    the pod itself where none does: each fault has one name.
    """
    if container.pod is None:
        return container.published
    members = [x for x in container.neighbours if x.pod == container.pod]
    heard = {y.port for x in (members if container.is_infra else [container]) for y in x.listeners}
    return [x for x in container.published if (x.port in heard) != container.is_infra]


@dataclass(frozen=True, slots=True)
class _Scene:
    """What all cases of a container have in common."""

    container: Container
    listening: Ports
    by_number: Mapping[int, Sequence[Port]]
    neighbours: Mapping[Port, Sequence[tuple[Container, Listener]]]
    on_demand: Ports
    is_up: bool

    def case(
        self,
        port: Port,
        own: Listeners,
        doubtful: Listeners,
        published: tuple[Publication, ...],
    ) -> Case:
        # A publication leads to the namespace: every listener there answers it.
        others = self.neighbours.get(port, ())
        elsewhere: Listeners = ()
        if published:  # an unattributed one is each neighbour's
            both = (*(x for _, x in others), *map(presumed, doubtful))
            elsewhere = tuple(dict.fromkeys(both))
        return Case(
            container=self.container,
            port=port,
            own=own,
            answering=own + elsewhere,
            published=published,
            listening=self.listening,
            alike=tuple(x for x in self.by_number.get(port.number, ()) if x != port),
            documented=port in self.container.documented,
            on_demand=port in self.on_demand,
            neighbours=tuple(x for x, _ in others),
            is_up=self.is_up,
            unsure=any(x.presumed is not None for _, x in others),
        )


def _scene(container: Container) -> _Scene:
    # What listens on a number under another protocol: a server's UDP port may look like a client's.
    heard = Ports(x.port for x in container.listeners if x.kind in ("reachable", "ephemeral"))
    listening = container.listening
    return _Scene(
        container,
        listening,
        _by_number(heard),
        _neighbours(container),
        on_demand(container),
        is_up=not listening.isdisjoint(container.documented),
    )


def _by_number(ports: Ports) -> dict[int, list[Port]]:
    found: dict[int, list[Port]] = {}
    for port in sorted(ports, key=lambda x: PROTOCOLS.index(x.protocol)):
        found.setdefault(port.number, []).append(port)
    return found


def _neighbours(container: Container) -> dict[Port, list[tuple[Container, Listener]]]:
    found: dict[Port, list[tuple[Container, Listener]]] = {}
    for neighbour in container.neighbours:
        for listener in neighbour.listeners:
            found.setdefault(listener.port, []).append((neighbour, presumed(listener)))
    return found


def presumed(listener: Listener) -> Listener:
    """Return an unattributed listener with the kind that it has for clients outside."""
    return replace(listener, kind=listener.presumed) if listener.presumed else listener


def _judge(case: Case, rules: Sequence[Rule]) -> list[Finding]:
    found: list[Finding] = []
    broken = False
    for rule in rules:
        default = "default" in rule.groups
        # A port breaks at most one rule of the default group, the first.
        if default and broken:
            continue
        verdict = rule.judge(case) if rule.judge else None
        if verdict is not None:
            found.append(rule.finding(verdict, case))
            broken = broken or default
    return found
