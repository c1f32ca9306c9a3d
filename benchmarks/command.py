"""The whole command, from start to exit: an audit beside as many tests of nothing, in turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import marks
from benchmarks.measure import ROOT, medians

if TYPE_CHECKING:
    from stage import Stage

_NOTHING = """
import pytest

@pytest.mark.parametrize("number", range({}))
def test_of_nothing(number): pass
"""


@dataclass(frozen=True, slots=True)
class Command:
    """A row: what an audit takes beside tests of nothing, in seconds."""

    what: str
    containers: int
    nothing: float
    audit: float


def costs(stage: Stage, containers: int, rounds: int) -> list[Command]:
    """Return the whole of it with and without bytecode, then the processor time of each part."""
    audit = ["-p", "exposed", "--exposed", "--exposed-source=netlink"]
    if len(stage.client.api.containers()) != containers:
        # There are others; and with a filter the engine is asked for one more list.
        audit.append(f"--exposed-filter={stage.filter}")
    parts: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_nothing.py").write_text(_NOTHING.format(containers), encoding="utf-8")
        cached = {"PYTHONPYCACHEPREFIX": f"{folder}/bytecode", "PYTHONDONTWRITEBYTECODE": ""}
        empty = {"PYTHONPYCACHEPREFIX": f"{folder}/none", "PYTHONDONTWRITEBYTECODE": "1"}

        def work(name: str, words: list[str], settings: dict[str, str]) -> Callable[[], float]:
            def once() -> float:
                seconds, found = _run(words, folder, settings)
                for part, mine in zip(marks.PARTS, found, strict=True):
                    parts.setdefault(f"{name} {part}", []).append(mine)
                return seconds

            return once

        found = medians(
            {
                f"{what} {how}": work(f"{what} {how}", words, settings)
                for how, settings in (("cached", cached), ("empty", empty))
                for what, words in (("nothing", ["test_nothing.py"]), ("audit", audit))
            },
            rounds,
        )
    least = {name: min(seconds) for name, seconds in parts.items()}
    return [
        Command(what, containers, values[f"nothing{which}"], values[f"audit{which}"])
        for what, values, which in (
            ("from start to exit", found, " cached"),
            ("where no bytecode is cached", found, " empty"),
            *((f"of the first: {x}", least, f" cached {x}") for x in marks.PARTS),
        )
    ]


def more(smallest: Command, stage: Stage, containers: int, rounds: int) -> tuple[int, float]:
    """Return the largest fleet, and the seconds that each container adds beside a test of nothing.

    smallest is the first of the costs of the smallest fleet.
    """
    largest = costs(stage, containers, rounds)[0]
    added = (largest.audit - largest.nothing) - (smallest.audit - smallest.nothing)
    return containers, added / (containers - smallest.containers)


def _run(words: list[str], folder: str, settings: dict[str, str]) -> tuple[float, list[float]]:
    """Return the seconds of a run of pytest, and the processor time of its parts."""
    with tempfile.NamedTemporaryFile("r", encoding="ascii") as file:
        alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
        environment = {**os.environ, **alone, **settings, marks.FILE: file.name}
        environment["PYTHONPATH"] = str(ROOT)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        started = time.perf_counter()
        done = subprocess.run(
            [*command, "-p", marks.__name__, *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - started
        if done.returncode:
            raise RuntimeError(f"a run of pytest failed ({done.returncode}):\n{done.stdout}")
        moments = json.load(file)
    return seconds, [
        after - before for before, after in zip([0.0, *moments], moments, strict=False)
    ]
