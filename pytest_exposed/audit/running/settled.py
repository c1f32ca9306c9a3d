"""When a container that a run has started is judged: when it has settled, or ended."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import GoneError, NotFoundError, NotRunningError, ObservationError
from pytest_exposed.model import Container, Observed
from pytest_exposed.model.ports import Ports
from pytest_exposed.observation.attribute import UNHEALTHY
from pytest_exposed.observation.diagnosis import has_restarted, not_running
from pytest_exposed.observation.judge import RESTLESS, UNWELL
from pytest_exposed.observation.observe import Observer
from pytest_exposed.observation.watch import Watch
from pytest_exposed.rules.on_demand import on_demand
from pytest_exposed.rules.settling import Stillness
from pytest_exposed.text import printable
from pytest_exposed.unpatched import monotonic, pause

_PAUSE = 0.25

_BLIND = 5.0
"""Seconds after which a container that runs and can't be seen will not be seen later, either."""

_RECENT = 10.0
"""Seconds after a restart in which a container has not shown that it goes on."""

_STAYS = (
    "what is judged has to keep running: does it need a command, a variable (-e), or a volume (-v)?"
)

_WITHOUT_LISTENER = ("silent", "published-silent")

_FOR_WARNINGS = 10.0
"""Seconds for which a port is waited for that would only be a warning."""

_HAS_ENDED = ("exited", "dead", "removing")


def wait_until_settled(
    observer: Observer,
    identity: str,
    image: str,
    grace: float,
    *,
    show: Callable[[str], object],
    watch: Watch,
) -> tuple[Listed | None, Observed]:
    """Return a container as listed and as seen, when it has settled or grace seconds are over.

    It has settled when its health check, if any, has succeeded, every port that is documented or
    published has a listener, is accepted without one or judged by no rule, and its listeners have
    not changed for a moment. A port whose silence is only a warning is waited for a short time.
    One that ends is waited for no longer; one that ends again and again,
    and is restarted, never settles. It is called by its image's name; the watch notes what is seen.
    """
    began = monotonic()
    stillness, lives, saw = Stillness(), [began], began
    life: datetime | None = None
    while True:
        everyone = [by_image(x, image) if x.id == identity else x for x in observer.running()]
        now = next((x for x in everyone if x.id == identity), None)
        if now is None:
            return _ended(observer, identity, image)
        life = life or started_at(observer, now)
        looked = monotonic()
        answer = observer.observe([now], everyone, owners=True)[identity]
        if isinstance(answer, (NotRunningError, GoneError)) and _has_ended(observer, now):
            return _ended(observer, identity, image)
        if (started := started_at(observer, now)) == life:
            stillness.note(answer, looked)
        else:  # what was seen may be of the life before
            life, stillness = started, Stillness()
            lives += [looked] if started else []
        watch.note({identity: answer}, looked)
        missing = _missing(now, answer, warnings=looked - began < _FOR_WARNINGS)
        if not missing and stillness.has_settled(looked):
            return now, _judged(observer, now, answer, stillness, looked)
        if isinstance(answer, (Container, NotRunningError)):
            saw = looked
        if looked - began >= grace or looked - saw >= _BLIND:
            if _ends_again(lives, looked) and not stillness.has_settled(looked):
                return now, has_restarted(observer, now)
            return now, _judged(observer, now, answer, stillness, looked)
        waits = f" for {missing}" if missing else ""
        time = f"{looked - began:.0f} of {grace:g} s at most"
        show(f"{printable(image)} has run for {time}, waiting{waits} …")
        pause(_PAUSE)


def started_at(observer: Observer, listed: Listed) -> datetime | None:
    """Return when a container was started last; None where that is unknown."""
    try:
        return observer.inspect(listed).started
    except ObservationError:
        return None


def by_image(listed: Listed, image: str) -> Listed:
    """Return a container called by its image as it was typed, which lasts from run to run.

    Engines have other names of an image: podman's begins with a registry.
    """
    return replace(listed, name=image)


def _missing(listed: Listed, answer: Observed, *, warnings: bool) -> str:
    """Return what a container has to come to before it is judged, in words; empty for nothing.

    warnings is whether a port is among it whose silence would be a warning.
    """
    if not isinstance(answer, Container):
        return "its sockets to be seen"
    health = _health(listed)
    if health not in ("", "healthy"):
        return "its health check"
    silent = _silent(answer, warnings=warnings)
    return str(silent) if silent else ""


def _silent(answer: Container, *, warnings: bool) -> Ports:
    """Return the ports that a chosen rule finds without a listener, and that nothing accepts."""
    if not isinstance(answer.verdict, ObservationError):
        found = (x for x in answer.verdict if x.fails or (warnings and x.warns))
        silent = [x for x in found if x.rule in _WITHOUT_LISTENER]
        return Ports(y for x in silent for y in x.ports)
    expected = answer.documented | Ports(x.port for x in answer.published)
    return expected - Ports(x.port for x in answer.listeners) - on_demand(answer)


def _health(listed: Listed) -> str:
    """Return what its health check says, in docker's words or podman's; empty for none."""
    found = re.search(r"\((?:health: )?(starting|unhealthy|healthy)\)", listed.status)
    return found[1] if found else ""


def _judged(
    observer: Observer, listed: Listed, answer: Observed, stillness: Stillness, at: float
) -> Observed:
    """Return an answer of a container that has had its time, with notes on what is unsettled.

    Nothing is due to its youth any more.
    """
    if not isinstance(answer, Container):
        return answer
    notes = [x for x in answer.notes if x != UNHEALTHY]
    if stillness.restless and not stillness.has_settled(at):
        notes.append(RESTLESS)
    health = _health(listed)
    if health not in ("", "healthy"):
        notes.append(f"{UNWELL}: it is {health}{_last_check(observer, listed)}")
    return replace(answer, notes=tuple(notes), just_started=False)


def _last_check(observer: Observer, listed: Listed) -> str:
    """Return what a container's health check answered last, in brackets; empty without that."""
    try:
        said = observer.inspect(listed).last_check
    except ObservationError:
        return ""
    return f" ({said})" if said else ""


def _ends_again(lives: Sequence[float], at: float) -> bool:
    """Return whether a container with these beginnings is likely to end once more."""
    return len(lives) > 2 or (len(lives) > 1 and at - lives[-1] < _RECENT)


def _has_ended(observer: Observer, listed: Listed) -> bool:
    """Return whether a container is not going to run again by itself."""
    try:
        return observer.inspect(listed).state in _HAS_ENDED
    except GoneError:
        return True
    except ObservationError:
        return False


def _ended(observer: Observer, identity: str, image: str) -> tuple[Listed | None, ObservationError]:
    """Return a container that has ended, and the error with its exit code and last lines."""
    try:
        listed = by_image(observer.find(identity)[0], image)
        inspected = observer.inspect(listed)
    except (NotFoundError, GoneError):
        why = "has ended and was removed: leave out --rm, if it is among the options, to see why"
        return None, NotRunningError(f"{printable(image)} {why}")
    except ObservationError as error:
        return listed, error
    ended = not_running(observer, listed, inspected)
    has_log = "\n" in str(ended)  # which says more than we can
    return listed, ended if has_log else NotRunningError(f"{ended}\n{_STAYS}")
