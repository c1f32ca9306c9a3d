"""An engine that is killed and started again, while its containers live on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from demo.throwaway import Dockerd, throwaway


class MortalEngine:
    """An engine of one test. It must be started in the thread that stays longest."""

    def __init__(self, engine: Dockerd) -> None:
        self._engine = engine
        self.url = engine.url

    def start(self) -> None:
        """Start it again, and return when it answers."""
        self._engine.start()
        self._engine.wait_until_it_answers()

    def kill(self) -> None:
        """End it without a chance to put anything in order."""
        self._engine.process.kill()
        self._engine.process.wait()
        # Its containerd is killed with it. Where nobody reaps that, the next one would wait for it.
        pid = self._engine.directory / "exec/containerd/containerd.pid"
        pid.unlink(missing_ok=True)


@contextmanager
def mortal_engine() -> Iterator[MortalEngine]:
    """Start one, and remove it with all that is on it.

    Raises demo.throwaway.EngineMissing or demo.packages.NotInstalled where that can't be.
    """
    with throwaway("--live-restore") as engine:
        yield MortalEngine(engine)
