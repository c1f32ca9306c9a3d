"""An engine that is killed and started again, while its containers live on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from demo import engine as base


class MortalEngine:
    """An engine of one test. It must be started in the thread that stays longest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"unix://{folder}/docker.sock"
        self.process: subprocess.Popen[bytes]
        self.start()

    def start(self) -> None:
        """Start it, and return when it answers."""
        log = self.folder / "dockerd.log"
        self.process = base._start(self.folder, self.url, log, "--live-restore")
        base._wait_until_it_answers(self.process, self.url, log)

    def kill(self) -> None:
        """End it without a chance to put anything in order."""
        self.process.kill()
        self.process.wait()
        # Its containerd is killed with it. Where nobody reaps that, the next one would wait for it.
        (self.folder / "exec/containerd/containerd.pid").unlink(missing_ok=True)


@contextmanager
def mortal_engine() -> Iterator[MortalEngine]:
    """Start one, and remove it with all that is on it.

    Raises demo.engine.EngineMissing or demo.packages.NotInstalled where that can't be.
    """
    base._install_engine()
    with base._home() as folder, ExitStack() as undo:
        engine = MortalEngine(folder)
        undo.callback(lambda: base._stop(engine.process, folder))
        undo.callback(base._empty, engine.url)
        yield engine
