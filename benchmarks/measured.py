"""What was measured."""

from __future__ import annotations

from dataclasses import dataclass, field

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
    kinds: list[KindCost] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
    growths: list[Growth] = field(default_factory=list)
    start_ups: list[StartUp] = field(default_factory=list)
    import_seconds: float = 0

    @property
    def audit(self) -> float:
        """Seconds a container of the audit that others are compared with."""
        seconds = self.ways[0].seconds
        assert seconds is not None
        return seconds
