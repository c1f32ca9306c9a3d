"""Waiting for young containers: services need a moment after the start."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import EngineError, ObservationError
from pytest_exposed.model import Container, Finding, Observed
from pytest_exposed.observation.diagnosis import has_restarted, seconds_up
from pytest_exposed.observation.observe import Observer
from pytest_exposed.rules import Rule
from pytest_exposed.rules.settling import Stillness, is_final, may_mend
from pytest_exposed.text import printable
from pytest_exposed.unpatched import monotonic, pause
from pytest_exposed.values import dataclass

if TYPE_CHECKING:
    from pytest_exposed.engine.inspection import Inspected

_STOPPED = 2.0
"""Seconds for which a container may be stopped during a `docker restart`."""

_MOST_ENDS = 2
"""How often a container may end by itself within its grace before that is its answer."""

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
    waited: float = 0
    """Seconds from the given answer to the end of its grace, if it had not settled before."""


def settle(
    observer: Observer,
    listed: Listed,
    answer: Observed,
    grace: float,
    *,
    owners: bool = False,
    rules: Sequence[Rule] | None = None,
    at_run: bool | None = None,
    accepts: Callable[[Finding], bool] = lambda _: False,
    waited: float = 0,
    show: Callable[[str], object] = lambda _: None,
) -> Settled:
    """Return the answer for a container, observed again while it is too young to be judged.

    The wait ends when the container matches and has settled, or its grace is over: grace seconds
    after its start, by the engine's clock. While its health check says `starting`, they count from
    the answer, which is waited seconds old. An older container is not waited for, and neither is
    what waiting can't change. If the grace ran out since the answer, it is observed once more. A
    container that could not be seen may have been restarted since it was listed, and be young. One
    that the engine has restarted because it ended is judged at the end of its grace, which begins
    anew if it ends meanwhile; should it end again, that is the answer. accepts is as for
    may_mend. show is called with what is waited for, after a second of it.
    """
    rules = observer.rules if rules is None else rules
    seen = isinstance(answer, Container)
    if is_final(answer, rules) or (seen and not listed.starting and listed.up_for >= grace):
        return Settled(answer)
    try:
        before = _life(observer, listed)
    except EngineError:
        if seen:  # what is right now may be wrong in a moment
            raise
        return Settled(answer)  # it says more than that the engine is lost
    left = _left(observer, before, grace, waited)
    if not listed.starting and left + waited <= 0:
        return Settled(answer)
    observe = partial(observer.observe, owners=owners, rules=rules, at_run=at_run)
    wait = _Wait(observer, listed, rules, observe, accepts, show)
    ends = 0
    while True:
        settled = wait.for_answer(answer, left, waited, whole=_restarts(before) > 0)
        now = _life(observer, listed) if isinstance(settled.answer, Container) else None
        has_ended = _restarts(now) > _restarts(before)
        ends += has_ended
        if ends == _MOST_ENDS:
            return Settled(has_restarted(observer, listed))
        # A life that began meanwhile has its own grace, and may be as short as the last.
        if not has_ended and not (_is_between(before) and not _is_between(now)):
            return settled
        answer, before, waited = settled.answer, now, 0
        left = _left(observer, now, grace, waited)


@dataclass(frozen=True, slots=True)
class _Wait:
    """What is waited for: a container that is observed again and again."""

    observer: Observer
    listed: Listed
    rules: Sequence[Rule]
    observe: Callable[[Sequence[Listed], Sequence[Listed]], dict[str, Observed]]
    accepts: Callable[[Finding], bool]
    show: Callable[[str], object]

    def for_answer(
        self, answer: Observed, seconds: float, waited: float, *, whole: bool
    ) -> Settled:
        """Return the answer when the container has settled; with whole, when seconds are over."""
        stillness, began = Stillness(), monotonic()
        stillness.note(answer, began - waited)
        ran = began
        for _ in moments(max(seconds, _FIRST_PAUSE)):
            passed = monotonic() - began
            if passed > _SHOWN:
                rest = f"{max(seconds - passed, 0):.0f} s more at most"
                self.show(f"{printable(self.listed.name)} has just started, waiting {rest} …")
            everyone = self.observer.running()
            now = [x for x in everyone if x.id == self.listed.id]
            looked = monotonic()
            answer = self.observe(now or [self.listed], everyone)[self.listed.id]
            ran = monotonic() if now else ran
            stillness.note(answer, looked)
            if is_final(answer, self.rules) or monotonic() - ran > _STOPPED:
                return Settled(answer)
            is_right = not whole and not may_mend(answer, self.rules, self.accepts)
            if is_right and stillness.has_settled(looked):
                return Settled(answer, is_young=looked - began < seconds)
        return Settled(answer, waited=max(seconds + waited, 0))


def _life(observer: Observer, listed: Listed) -> Inspected | None:
    """Return a container as it is inspected now; None where it can't be. Raises EngineError."""
    try:
        return observer.inspect(listed)
    except ObservationError:
        return None


def _restarts(life: Inspected | None) -> int:
    """Return how often the engine has restarted a container that had ended."""
    return life.restarts if life is not None else 0


def _is_between(life: Inspected | None) -> bool:
    """Return whether a container has ended, and the engine is about to start it again."""
    return life is not None and life.state == "restarting"


def _left(observer: Observer, inspected: Inspected | None, grace: float, waited: float) -> float:
    """Return how many seconds of the grace a container has left, by the engine's clock."""
    if inspected is None:
        return 0
    if _is_between(inspected):
        return grace
    up_for = None if inspected.starting else seconds_up(observer, inspected)
    return grace - waited if up_for is None else min(grace, grace - up_for)
