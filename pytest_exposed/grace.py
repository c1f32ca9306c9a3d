"""Waiting: services need a moment after their container's start, and only then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_exposed.engine.observer import Observer
from pytest_exposed.engine.records import Listed
from pytest_exposed.engine.verdicts import Observed
from pytest_exposed.errors import EngineError, GoneError, ObservationError, UntoldError
from pytest_exposed.model import Container
from pytest_exposed.rules import Rule
from pytest_exposed.unpatched import monotonic, pause

_STOPPED = 2.0
"""Seconds that a container may be stopped for between the two halves of a `docker restart`."""

_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.05, 1.0, 1.6


def moments(seconds: float) -> Iterator[None]:
    """Yield after growing pauses until seconds have passed, once more at their very end."""
    deadline = monotonic() + seconds
    length = _FIRST_PAUSE
    while (left := deadline - monotonic()) > 0:
        pause(min(length, left))
        length = min(length * _GROWTH, _LONGEST_PAUSE)
        yield


def matches(answer: Observed) -> bool:
    """Return whether a container was seen, and nothing was found wrong that isn't waived."""
    return (
        isinstance(answer, Container)
        and not isinstance(answer.verdict, ObservationError)
        and all(x.waived is not None for x in answer.verdict)
    )


def _settled(answer: Observed) -> bool:
    """Return whether looking again can't tell more: what no engine tells is not waited for."""
    told = isinstance(answer, GoneError) or matches(answer)
    return told or (isinstance(answer, Container) and isinstance(answer.verdict, UntoldError))


def settle(
    observer: Observer,
    listed: Listed,
    answer: Observed,
    grace: float,
    *,
    owners: bool = False,
    rules: Sequence[Rule] | None = None,
    waited: float = 0,
) -> Observed:
    """Return the answer for a container, looking again while it is too young to be judged.

    That is until it matches or its grace is over: grace seconds after its start, by the engine's
    clock; while its health check says `starting`, after the answer, which is waited seconds old. An
    older one is not waited for; one whose grace ran out since the answer is looked at once more.
    One that could not be seen may have been started again since it was listed, and be young now.
    """
    if _settled(answer):
        return answer
    seen = isinstance(answer, Container)
    if seen and not listed.starting and listed.up_for >= grace:
        return answer
    left = _left(observer, listed, grace, waited)
    if not listed.starting and left + waited <= 0:
        return answer
    ran = monotonic()
    for _ in moments(max(left, _FIRST_PAUSE)):
        everyone = observer.running()
        now = [x for x in everyone if x.id == listed.id]
        answer = observer.observe(now or [listed], everyone, owners=owners, rules=rules)[listed.id]
        ran = monotonic() if now else ran
        if _settled(answer) or monotonic() - ran > _STOPPED:
            break
    return answer


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
    except EngineError:  # one that tells its containers, and not its clock
        now = None
    if inspected.started is None or now is None:
        return grace - waited
    return min(grace, grace - (now - inspected.started).total_seconds())
