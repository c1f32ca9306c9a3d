"""Why a container could not be observed: usually because it does not run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_exposed.engine.queries import EngineQueries
from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import EngineError, GoneError, NotRunningError, ObservationError
from pytest_exposed.model import Container
from pytest_exposed.text import plural, printable
from pytest_exposed.unpatched import monotonic, pause

if TYPE_CHECKING:
    from pytest_exposed.engine.inspection import Inspected

RUNNING_STATES = ("running", "paused")
"""States in which a container has processes."""

_MOMENT = 0.2
"""Seconds after which an engine knows that a container has ended."""


def why_unobservable(
    queries: EngineQueries,
    listed: Listed,
    reasons: ObservationError,
    *,
    began: float,
    may_have_ended: bool,
) -> ObservationError:
    """Return why a container could not be seen: its state, or the reason of each source.

    began is when its observation began, by unpatched.monotonic(). With may_have_ended the engine is
    asked twice: it may not know yet that the container has ended.
    """
    name = printable(listed.name)
    try:
        inspected = queries.inspect(listed)
        if inspected.state == "removing":
            return GoneError(f"{name} is gone since the run began")
        if inspected.state in RUNNING_STATES and may_have_ended:
            pause(_MOMENT)
            before = inspected.started
            inspected = queries.inspect(listed)
            if inspected.started != before or _started_since(queries, inspected, began):
                return not_running(queries, listed, inspected, restarted=True)
    except ObservationError as error:  # removed
        return error
    if inspected.state in RUNNING_STATES:
        return ObservationError(f"no source can see the sockets of {name}:\n{reasons}")
    return not_running(queries, listed, inspected)


def _started_since(queries: EngineQueries, inspected: Inspected, began: float) -> bool:
    """Return whether a container was started after an observation began, by the engine's clock."""
    elapsed = monotonic() - began  # before the engine is asked, which may take its time
    up_for = seconds_up(queries, inspected)
    return up_for is not None and up_for < elapsed


def seconds_up(queries: EngineQueries, inspected: Inspected) -> float | None:
    """Return how long ago a container was started, by the engine's clock; None if unknown."""
    try:
        now = queries.now()
    except EngineError:  # one that lists its containers and hides its clock
        return None
    if now is None or inspected.started is None:
        return None
    return (now - inspected.started).total_seconds()


def has_restarted(queries: EngineQueries, listed: Listed) -> ObservationError:
    """Return the error of a container that ended and was started again."""
    try:
        inspected = queries.inspect(listed)
    except ObservationError as error:
        return error
    return not_running(queries, listed, inspected, restarted=True)


def not_running(
    queries: EngineQueries,
    container: Listed | Container,
    inspected: Inspected,
    *,
    restarted: bool = False,
) -> NotRunningError:
    """Return the error of a container that does not run: its state, exit code and last lines.

    restarted is whether it was started again during the observation; it may run now.
    """
    code = f" with code {inspected.exit_code}" if inspected.exit_code is not None else ""
    states = {
        "restarting": f"is restarting: it exited{code}, {inspected.restarts} times so far",
        "exited": f"has exited{code}",
        "created": "was created and never started",
    }
    state = states.get(inspected.state, f"is {printable(inspected.state)}")
    if restarted and inspected.state == "running":
        times = plural(inspected.restarts, "restart")
        state = f"ended and was started again meanwhile ({times} so far)"
    why = f": {printable(inspected.error)}" if inspected.error else ""
    log = queries.last_lines(container)
    return NotRunningError(
        f"{printable(container.name)} {state}{why}"
        + (f"; the last lines of its log:\n{log}" if log else "")
    )
