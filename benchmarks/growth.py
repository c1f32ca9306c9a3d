"""How the cost of one container grows with what it has: listeners, connections, EXPOSE."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.measure import medians
from benchmarks.ours import look
from pytest_exposed import Engine

if TYPE_CHECKING:
    from stage import Stage

SOURCES = ("netlink", "procfs")

_SOME = "20000"
_LISTENERS = "listeners, all documented"
_CONNECTIONS = "established connections"
_DOCUMENTED = "documented ports, one of them listening"

# What there is much of, how much, the listener's words, and what its image exposes.
_SETUPS = (
    (_LISTENERS, 1, f"tcp:0.0.0.0:{_SOME}", _SOME),
    (_LISTENERS, 100, f"tcp:0.0.0.0:{_SOME}-20099", f"{_SOME}-20099"),
    (_LISTENERS, 1_000, f"tcp:0.0.0.0:{_SOME}-20999", f"{_SOME}-20999"),
    (_LISTENERS, 10_000, f"tcp:0.0.0.0:{_SOME}-29999", f"{_SOME}-29999"),
    (_CONNECTIONS, 0, f"tcp:127.0.0.1:{_SOME}", ""),
    (_CONNECTIONS, 2_000, f"connections:{_SOME}:2000", ""),
    (_CONNECTIONS, 20_000, f"connections:{_SOME}:20000", ""),
    (_DOCUMENTED, 1, f"tcp:0.0.0.0:{_SOME}", _SOME),
    (_DOCUMENTED, 1_000, f"tcp:0.0.0.0:{_SOME}", f"{_SOME}-20999"),
    (_DOCUMENTED, 65_535, f"tcp:0.0.0.0:{_SOME}", "1-65535"),
)


@dataclass(frozen=True, slots=True)
class Growth:
    """A row: what there is much of, how much, and seconds by source."""

    what: str
    count: int
    seconds: dict[str, float]


def growths(stage: Stage, rounds: int) -> list[Growth]:
    """Start containers that have much of something, and return what looking at each one costs."""
    rows = []
    for number, (what, count, word, exposes) in enumerate(_SETUPS):
        one = stage.run(word, name=f"much-{number}", exposes=[exposes] if exposes else [])
        with ExitStack() as stack:
            works = {
                source: look(stack.enter_context(Engine(source=source)), [one])
                for source in SOURCES
            }
            rows.append(Growth(what, count, medians(works, rounds)))
        one.sdk.remove(force=True)
    return rows
