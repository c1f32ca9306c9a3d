"""What is said of a container that does not run."""

from __future__ import annotations

from pytest_exposed.engine.records import Inspected
from pytest_exposed.errors import NotRunningError
from pytest_exposed.text import printable


def not_running(
    name: str, inspected: Inspected, log: str, *, restarted: bool = False
) -> NotRunningError:
    """Return the error of a container that does not run: its state, exit code and last lines.

    restarted is for one that runs now, but was started again while it was looked at.
    """
    code = f" with code {inspected.exit_code}" if inspected.exit_code is not None else ""
    states = {
        "restarting": f"is restarting: it exited{code}, {inspected.restarts} times so far",
        "exited": f"has exited{code}",
        "created": "was created and never started",
    }
    state = states.get(inspected.state, f"is {printable(inspected.state)}")
    if restarted and inspected.state == "running":
        state = f"ended and was started again meanwhile ({inspected.restarts} restarts so far)"
    why = f": {printable(inspected.error)}" if inspected.error else ""
    return NotRunningError(
        f"{name} {state}{why}" + (f"; the last lines of its log:\n{log}" if log else "")
    )
