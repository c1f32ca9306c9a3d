"""What a run of pytest costs that has the plugin and doesn't use it, or uses one fixture."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.measure import medians, pytest_run

if TYPE_CHECKING:
    from stage import Stage

UNUSED = "def test_of_nothing(): pass\n"
OF_IMAGE = "def test_of_an_image(image_exposes): assert image_exposes({!r}, 80)\n"
OF_CONTAINER = (
    "def test_of_a_container(container_listens_on): assert container_listens_on({!r}, 80)\n"
)


@dataclass(frozen=True, slots=True)
class StartUp:
    """A row: a kind of run, seconds from start to end, and its memory in bytes."""

    what: str
    seconds: float
    memory: float


def start_ups(stage: Stage, image: str, container: str, rounds: int) -> list[StartUp]:
    """Return what runs of one test cost, from none of the plugin to all of it."""
    given = ["-p", "exposed"]
    runs = {
        "one test, without the plugin": (UNUSED, []),
        "the plugin is installed and not used": (UNUSED, given),
        "the test uses `image_exposes`": (OF_IMAGE.format(image), given),
        "the test uses `container_listens_on`": (OF_CONTAINER.format(container), given),
        "an audit of the fleet": ("", [*given, "--exposed", f"--exposed-filter={stage.filter}"]),
    }
    memory: dict[str, list[int]] = {x: [] for x in runs}
    with tempfile.TemporaryDirectory() as folder:

        def work(name: str, arguments: list[str]) -> Callable[[], float]:
            def once() -> float:
                run = pytest_run(*arguments, folder=folder)
                memory[name].append(run.memory)
                return run.seconds

            return once

        works = {}
        for number, (name, (test, arguments)) in enumerate(runs.items()):
            paths = []
            if test:
                paths = [f"test_{number}.py"]
                Path(folder, paths[0]).write_text(test, encoding="utf-8")
            works[name] = work(name, [*arguments, *paths])
        found = medians(works, rounds)
    return [StartUp(name, found[name], median(memory[name])) for name in runs]


def import_seconds() -> float:
    """Return how long the import of the plugin takes in a run that doesn't use it."""
    said = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import pytest, pytest_exposed.plugin"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    times = re.findall(r"^import time: +([0-9]+) \|.*\| +pytest_exposed\S*$", said, re.MULTILINE)
    return sum(map(int, times)) / 1e6
