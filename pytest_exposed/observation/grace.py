"""Waiting for young containers: services need a moment after the start."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import EngineError, ObservationError
from pytest_exposed.model import Container, Observed
from pytest_exposed.observation.observe import Documented, Observer
from pytest_exposed.rules import Rule
from pytest_exposed.rules.settling import Stillness, is_final, may_mend
from pytest_exposed.text import printable
from pytest_exposed.unpatched import monotonic, pause
from pytest_exposed.values import dataclass

_STOPPED = 2.0
"""Seconds for which a container may be stopped during a `docker restart`."""

_SHOWN = 1.0
"""Seconds after which a person wonders what a run waits for."""

_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.05, 1.0, 1.6


def moments(seconds: float) -> Iterator[None]:
    """Yield after growing pauses until seconds have passed, the last time at their end."""
    deadline = monotonic() + seconds
    length = _FIRST_PAUSE
    while (left := deadline - monotonic()) > 0:
        pause(min(length, left))
        length = min(length * _GROWTH, _LONGEST_PAUSE)
        yield


@dataclass(frozen=True, slots=True)
class Settled:
    """The answer for a container that was waited for."""

    answer: Observed
    is_young: bool = False
    """Whether it was judged within its grace, so that a listener may open later."""


def settle(
    observer: Observer,
    listed: Listed,
    answer: Observed,
    grace: float,
    *,
    owners: bool = False,
    rules: Sequence[Rule] | None = None,
    documented: Documented | None = None,
    waited: float = 0,
    show: Callable[[str], object] = lambda _: None,
) -> Settled:
    """Return the answer for a container, observed again while it is too young to be judged.

    The wait ends when the container matches and has settled, or its grace is over: grace seconds
    after its start, by the engine's clock. While its health check says `starting`, they count from
    the answer, which is waited seconds old. An older container is not waited for, and neither is
    what waiting can't change. If the grace ran out since the answer, it is observed once more. A
    container that could not be seen may have been restarted since it was listed, and be young.
    show is called with what is waited for, after a second of it.
    """
    rules = observer.rules if rules is None else rules
    seen = isinstance(answer, Container)
    if is_final(answer, rules) or (seen and not listed.starting and listed.up_for >= grace):
        return Settled(answer)
    left = _left(observer, listed, grace, waited)
    if not listed.starting and left + waited <= 0:
        return Settled(answer)
    stillness, began = Stillness(), monotonic()
    stillness.note(answer, began - waited)
    ran = began
    for _ in moments(max(left, _FIRST_PAUSE)):
        passed = monotonic() - began
        if passed > _SHOWN:
            rest = f"{max(left - passed, 0):.0f} s more at most"
            show(f"{printable(listed.name)} has just started, waiting {rest} …")
        everyone = observer.running()
        now = [x for x in everyone if x.id == listed.id]
        looked = monotonic()
        answer = observer.observe(
            now or [listed], everyone, owners=owners, rules=rules, documented=documented
        )[listed.id]
        ran = monotonic() if now else ran
        stillness.note(answer, looked)
        if is_final(answer, rules) or monotonic() - ran > _STOPPED:
            return Settled(answer)
        if stillness.has_settled(looked) and not may_mend(answer, rules):
            return Settled(answer, is_young=looked - began < left)
    return Settled(answer)


def _left(observer: Observer, listed: Listed, grace: float, waited: float) -> float:
    """Return how many seconds of the grace a container has left, by the engine's clock."""
    try:
        inspected = observer.inspect(listed)
    except ObservationError:
        return 0
    if inspected.starting:
        return grace - waited
    try:
        now = observer.now()
    except EngineError:  # one that lists its containers and hides its clock
        now = None
    if inspected.started is None or now is None:
        return grace - waited
    return min(grace, grace - (now - inspected.started).total_seconds())
