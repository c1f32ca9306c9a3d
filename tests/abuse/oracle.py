"""What was true of containers, and when: the measure of what is said of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_exposed import Container, Engine, EngineError, Ports

if TYPE_CHECKING:
    from pytest_exposed.model import Observed

STARTING, UP, ENDING, GONE = "starting", "up", "ending", "gone"


@dataclass
class History:
    """The states of a container that listens on ports from its start to its end."""

    ports: Ports
    states: list[tuple[float, str]] = field(default_factory=list)
    """Each with the moment from which on it may have been in it, by time.monotonic()."""

    def becomes(self, state: str) -> None:
        """Note that it goes over into a state now."""
        self.states.append((time.monotonic(), state))

    def allows(self, answer: Container, began: float, ended: float) -> bool:
        """Return whether a snapshot was true at a moment between two."""
        ends = [x for x, _ in self.states[1:]] + [float("inf")]
        within = {
            state
            for (start, state), end in zip(self.states, ends, strict=True)
            if start <= ended and end >= began
        }
        # What has begun to listen is heard before it is known to have; what ends is heard until
        # then, and no longer as one that listens on nothing.
        if STARTING in within and answer.listening <= self.ports:
            return True
        return bool(within & {UP, ENDING}) and answer.listening == self.ports


@dataclass
class Verdicts:
    """What was said in many rounds."""

    histories: dict[str, History] = field(default_factory=dict)
    """By the containers' ids."""
    true: int = 0
    errors: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def look(self, engine: Engine, filters: Mapping[str, list[str]]) -> None:
        """Look at the containers once, as an audit does, and judge what is said of them."""
        began = time.monotonic()
        try:
            everyone = engine.observer.running()
            chosen = engine.observer.ids(filters)
            wanted = [x for x in everyone if x.id in chosen]
            answers = engine.observer.observe(wanted, everyone)
        except EngineError as error:
            self.errors.append(str(error))
            return
        self._judge(engine.observer.source, answers, began, time.monotonic())

    def _judge(
        self, source: str, answers: Mapping[str, Observed], began: float, ended: float
    ) -> None:
        for identity, answer in answers.items():
            if not isinstance(answer, Container):
                self.errors.append(str(answer))
            elif self.histories[identity].allows(answer, began, ended):
                self.true += 1
            else:
                line = f"{source}: {answer} listens on {answer.listening} from {began} to {ended}"
                self.wrong.append(f"{line}: {self.histories[identity].states[-8:]}")


@contextmanager
def engines(url: str, *sources: str) -> Iterator[list[Engine]]:
    """Yield an engine for each source."""
    found = [Engine(url, source=x) for x in sources]
    yield found
    for engine in found:
        engine.close()
