"""Medians of what is done in turns, and runs of pytest with their time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import session_cost

ROOT = Path(__file__).parents[1]
_ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def medians(works: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Return the median of what each of works returns.

    All take their turn in each round, so that a busy moment of the machine is nobody's own; the
    first round only warms up.
    """
    found: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(rounds + 1):
        for name, work in works.items():
            result = work()
            if turn:
                found[name].append(result)
    return {name: median(results) for name, results in found.items()}


@dataclass(frozen=True, slots=True)
class Run:
    """A run of pytest."""

    seconds: float
    """From start to end of the process."""
    session: float
    """From the start of pytest's session to its end."""
    memory: int
    """The most that the process had in memory, in bytes."""


def pytest_run(*arguments: str, folder: str) -> Run:
    """Run pytest in a folder with no plugin but those of the arguments; its tests must pass."""
    # At its end pytest collects garbage, which takes 20 ms or 30 and would drown what is measured.
    leave_out = ["-p", "no:cacheprovider", "-p", "no:unraisableexception"]
    command = [sys.executable, "-m", "pytest", "-q", *leave_out, "-p", session_cost.__name__]
    with tempfile.NamedTemporaryFile("r", encoding="ascii") as file:
        started = time.perf_counter()
        done = subprocess.run(
            [*command, *arguments],
            cwd=folder,
            env={**os.environ, **_ALONE, "PYTHONPATH": str(ROOT), session_cost.FILE: file.name},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - started
        if done.returncode:
            raise RuntimeError(f"a run of pytest failed ({done.returncode}):\n{done.stdout}")
        return Run(seconds, **json.load(file))
