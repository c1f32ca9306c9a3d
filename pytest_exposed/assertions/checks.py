"""What a suite asserts of ports: functions of an engine; each result explains itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from pytest_exposed.assertions.result import Check
from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import ConfigurationError
from pytest_exposed.model import Container, Listener
from pytest_exposed.model.endpoints import BoundPort
from pytest_exposed.model.ports import Ports, PortsLike
from pytest_exposed.observation import Engine
from pytest_exposed.observation.diagnosis import not_running
from pytest_exposed.observation.grace import moments
from pytest_exposed.observation.watch import Watch
from pytest_exposed.rules.judge import presumed, unattributed
from pytest_exposed.text import printable
from pytest_exposed.unpatched import monotonic

_MOST_SECONDS = 1e9
_MOST_NAMED = 4
"""Listeners that are named with their processes; more are ports alone."""


def container_listens_on(
    engine: Engine,
    container: object,
    *ports: PortsLike,
    within: float = 0,
    only: bool = False,
    during: float = 0,
) -> Check:
    """Return whether every port has a reachable listener in the container.

    Of a Swarm service every task that runs on this engine is asked, and each must have them.
    A port is 80, "80/tcp", "8000-8003/udp", Ports, or has an address, "127.0.0.1:9000/tcp",
    "[::]:80": then a listener must be bound exactly there. within is how many seconds it may take.
    only asks that nothing else is listening, ephemeral UDP aside; a dynamic port is listening.
    during asks the same again and again for so many seconds: nothing else may listen at any moment,
    and every port must have its listener at the end.

    Raises PortError for what is no port, NotFoundError for an unknown or ambiguous container,
    NotRunningError for one that doesn't run, or ends while it is waited for, ObservationError where
    its sockets, or whose they are, can't be seen.
    """
    expect_engine(engine)
    wanted = [x for form in ports for x in BoundPort.parse(form)]
    if not wanted and not only:
        raise no_ports(_ONLY)
    expect_seconds(within=within, during=during)
    if during and not only:
        raise ConfigurationError(
            f"during={during!r} needs only=True: it asks that nothing else does"
        )
    check = _listen_within(engine, container, wanted, within=within, only=only)
    if check and during:
        return _listen_during(engine, container, wanted, during)
    return check


def _listen_within(
    engine: Engine, container: object, wanted: Sequence[BoundPort], *, within: float, only: bool
) -> Check:
    """Return the answer, asking until it is true or the time is over."""
    snapshots = engine.tasks(container)
    check = _all_listen_on(snapshots, wanted, only=only)
    if check or not within:
        return check
    before = [(x, engine.observer.inspect(x)) for x in snapshots]
    for _ in moments(within):
        for snapshot, then in before:
            now = engine.observer.inspect(snapshot)
            if (now.started, now.restarts) != (then.started, then.restarts):
                raise not_running(engine.observer, snapshot, now, restarted=True)
        check = _all_listen_on(engine.tasks(container), wanted, only=only)
        if check:
            return check
    return Check(False, f"{check}; waited {within:g} s", *check.containers)


def _listen_during(
    engine: Engine, container: object, wanted: Sequence[BoundPort], seconds: float
) -> Check:
    """Return whether nothing else listens at any moment, and all that is wanted at the end."""
    tasks = engine.tasks(container)
    watch = Watch(engine.observer)
    for answers in watch.looks(tasks, seconds):
        passed = monotonic() - watch.began
        for answer in answers.values():
            if not isinstance(answer, Container):
                continue
            if surplus := [x for x in answer.listeners if _is_surplus(x, wanted)]:
                why = f"{answer} listened on {Ports(x.port for x in surplus)} after {passed:.1f} s"
                return Check(False, f"{why}: {listing(map(_who, surplus))}", answer)
    return _all_listen_on(engine.tasks(container), wanted, only=True)


def _all_listen_on(tasks: Sequence[Container], wanted: Sequence[BoundPort], *, only: bool) -> Check:
    """Return the answer for a container, or of all tasks of a service: those that don't, if any."""
    return of_all_tasks([_listens_on(x, wanted, only=only) for x in tasks], tasks)


def of_all_tasks(checks: Sequence[Check], tasks: Sequence[Container | Listed]) -> Check:
    """Return one answer from those for a container, or for each task of a service."""
    if len(checks) == 1:
        return checks[0]
    failed = [x for x in checks if not x]
    # The findings are those of the first container.
    containers = [y for x in sorted(checks, key=bool) for y in x.containers]
    service = f"service {tasks[0].service}"
    if not failed:
        return Check(True, f"{service}, all {len(tasks)} tasks: {checks[0]!r}", *containers)
    names = [printable(x.name) for x, check in zip(tasks, checks, strict=True) if not check]
    number = f"{len(failed)} of {len(tasks)} tasks" + (f" ({listing(names)})" if names[1:] else "")
    why = f"{service}, {number}: {failed[0]!r}"
    return Check(False, why, *containers, findings=failed[0].findings)


def _listens_on(container: Container, wanted: Sequence[BoundPort], *, only: bool) -> Check:
    listeners = _as_asked(container.listeners, wanted)
    missing = [x for x in wanted if not any(x.is_met_by(y) for y in listeners)]
    surplus = [x for x in listeners if only and _is_surplus(x, wanted)]
    doubtful = [x for x in listeners if any(y.may_be_met_by(x) for y in missing)]
    if only and not missing:
        unknown = [x for x in listeners if x.kind == "unattributed"]
        doubtful += [x for x in unknown if _is_surplus(presumed(x), wanted)]
    if doubtful and not surplus:
        raise unattributed(container, doubtful)
    if missing:
        return Check(False, f"{container}: {_why_missing(listeners, missing)}", container)
    if surplus:
        shown = listing(map(_who, surplus))
        if len(surplus) > _MOST_NAMED:
            shown = str(Ports(x.port for x in surplus))
        why = f"{container} also listens on {shown}"
        if not wanted:
            why = f"{container} listens on {shown}, and should listen on nothing"
        return Check(False, why, container)
    if not wanted:
        closed = any(x.kind != "ephemeral" for x in listeners)
        reached = " that can be reached" if closed else ""
        return Check(True, f"{container} listens on nothing{reached}", container)
    met = [x for x in listeners if any(y.is_met_by(x) for y in wanted)]
    alone = ", and nothing else that can be reached" if only else ""
    return Check(True, f"{container} listens on {listing(map(_who, met))}{alone}", container)


def _is_surplus(listener: Listener, wanted: Iterable[BoundPort]) -> bool:
    """Return whether something outside can reach a listener that is none of those wanted."""
    return listener.kind == "reachable" and not any(
        x.port == listener.port and x.address in (None, listener.address) for x in wanted
    )


def _spans(bound: Iterable[BoundPort]) -> str:
    """Return ports with their addresses, those of any address as ranges."""
    bound = list(bound)
    plain = Ports(x.port for x in bound if x.address is None)
    return listing([*plain.ranges(), *(x for x in bound if x.address is not None)])


def _as_asked(listeners: Iterable[Listener], wanted: Sequence[BoundPort]) -> tuple[Listener, ...]:
    """Return listeners with UDP on ports that are asked for by number as a server's.

    Elsewhere a socket on a port of the range for clients is taken for a client's.
    """
    ports = {x.port for x in wanted if x.address is None}
    return tuple(_as_server(x) if x.port in ports else x for x in listeners)


def _as_server(listener: Listener) -> Listener:
    if "ephemeral" not in (listener.kind, listener.presumed) or listener.as_server is None:
        return listener
    if listener.kind == "ephemeral":
        return replace(listener, kind=listener.as_server)
    return replace(listener, presumed=listener.as_server)


def _why_missing(listeners: Sequence[Listener], missing: Sequence[BoundPort]) -> str:
    """Return why nothing listens on all that is asked for, and what is listened on."""
    closed = [x for x in listeners if x.port in {y.port for y in missing}]
    bound = [x for x in missing if x.port in {y.port for y in closed}]
    absent = [x for x in missing if x not in bound]
    why = []
    if absent:
        heard = "" if bound else f" ({_heard(listeners, {x.port.number for x in absent})})"
        why.append(f"nothing listens on {_spans(absent)}{heard}")
    if bound:
        what = "nothing" if any(x.address for x in bound) else "nothing reachable"
        why.append(f"{what} listens on {_spans(bound)}, only on {listing(map(_who, closed))}")
    return "; ".join(why)


def _heard(listeners: Sequence[Listener], numbers: Collection[int]) -> str:
    """Return what a container listens on: a client's UDP if it has one of the numbers asked for."""
    found = [x for x in listeners if x.kind != "ephemeral" or x.port.number in numbers]
    reachable = Ports(x.port for x in found if x.kind == "reachable")
    # Many a server has a second socket of its port, for IPv6.
    shown = reachable.ranges() + [_who(x) for x in found if x.port not in reachable]
    nothing = "nothing but ephemeral UDP" if listeners else "nothing"
    return f"it listens on {listing(shown) or nothing}"


def _who(listener: Listener) -> str:
    details = [str(x) for x in listener.owners[:1]]
    details += ["IPv6-only"] if listener.v6only and listener.kind == "unreachable" else []
    details += [_trait(x, listener) for x in listener.traits if x != "reachable"]
    return f"{listener} ({', '.join(details)})" if details else str(listener)


def _trait(trait: str, listener: Listener) -> str:
    """Return a trait, with what makes a listener unreachable if it is clear."""
    is_clear = trait == "unreachable" and listener.lacks
    return f"{trait}: the container lacks {listener.lacks}" if is_clear else trait


def listing(things: Iterable[object]) -> str:
    return ", ".join(map(str, things))


def image_exposes(engine: Engine, image: object, *ports: PortsLike, only: bool = False) -> Check:
    """Return whether an image documents every port, its protocol included; with only, no others.

    Raises PortError for what is no port, NotFoundError for an unknown image.
    """
    expect_engine(engine)
    wanted = Ports.parse(*ports)
    if not wanted and not only:
        raise no_ports(_ONLY)
    found = engine.image(image)
    missing, surplus = wanted - found.documented, found.documented - wanted
    if missing:
        return Check(False, f"{found} does not EXPOSE {missing} (it exposes {found.documented})")
    if only and surplus:
        why = f"{found} also exposes {surplus}"
        return Check(
            False, why if wanted else f"{found} exposes {surplus}, and should expose nothing"
        )
    return Check(True, f"{found} exposes {found.documented}")


def expect_engine(engine: object) -> None:
    """Raise ConfigurationError for what is no engine."""
    if not isinstance(engine, Engine):
        raise ConfigurationError(
            f"{type(engine).__name__} is not an Engine, which these functions take first: give "
            "one, such as Engine(), or take the fixture of that name, which has one"
        )


def expect_seconds(**given: object) -> None:
    """Raise ConfigurationError for an argument that is no number of seconds."""
    for name, value in given.items():
        if not (isinstance(value, (int, float)) and 0 <= value <= _MOST_SECONDS):
            raise ConfigurationError(f"{name}={value!r} is not a number of seconds")


_ONLY = "; only=True without a port asks that there is none"


def no_ports(hint: str = "") -> ConfigurationError:
    return ConfigurationError(
        f'no port is named: a check asks about one at least, such as 80 or "53/udp"{hint}'
    )
