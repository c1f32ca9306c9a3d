"""What was measured."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.command import Command
from benchmarks.growth import Growth
from benchmarks.kinds import KindCost
from benchmarks.startup import StartUp


@dataclass(frozen=True, slots=True)
class Way:
    """A way to ask what a container listens on: seconds a container, or why it wasn't tried."""

    name: str
    seconds: float | None
    obstacle: str | None = None


@dataclass(frozen=True, slots=True)
class AuditCost:
    """Seconds of an audit of a fleet by one source."""

    source: str
    containers: int
    whole: float
    parts: dict[str, float]


@dataclass(slots=True)
class Results:
    """All of one run."""

    machine: str
    """What it was measured on, in words."""
    asked: int = 0
    """How many containers were asked in each of the ways."""
    audits: list[AuditCost] = field(default_factory=list)
    answers: float | None = None
    """Seconds that the engine takes for what an audit of the smallest fleet asks it."""
    kinds: list[KindCost] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
    growths: list[Growth] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    more: list[tuple[int, float]] = field(default_factory=list)
    """Containers of a larger fleet, and the seconds that each adds to the whole command."""
    start_ups: list[StartUp] = field(default_factory=list)
    import_seconds: float = 0

    def once_and_each(self, source: str) -> tuple[float, float] | None:
        """Return the seconds that an audit takes for any fleet, and for each container of it.

        They are those of a line through the smallest and the largest; None where there is but one.
        """
        found = [x for x in self.audits if x.source == source]
        if len(found) < 2:
            return None
        small, large = found[0], found[-1]  # fleets grow
        each = (large.whole - small.whole) / (large.containers - small.containers)
        return small.whole - small.containers * each, each

    @property
    def audit(self) -> float:
        """Seconds a container of the audit that others are compared with."""
        seconds = self.ways[0].seconds
        assert seconds is not None
        return seconds
