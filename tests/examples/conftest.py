"""Commands of the examples, as their users run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from demo.packages import which

if TYPE_CHECKING:
    from examples.common import Command


@pytest.fixture
def environment(engine_url: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a user of the engine, whose home is a folder of the test."""
    home = tmp_path / "home"
    home.mkdir()
    foreign = ("PYTEST_", "TOX_", "ANSIBLE_", "MOLECULE_", "COMPOSE_", "DOCKER_CONTEXT")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    programs = [Path(sys.executable).parent, *(Path(x).parent for x in [which("docker")] if x)]
    return {
        **kept,
        # Ansible refuses to run where the encoding isn't UTF-8.
        "LC_ALL": "C.UTF-8",
        "HOME": str(home),
        "DOCKER_HOST": engine_url,
        "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
        "NO_COLOR": "1",
        # No copy of each module to a folder: a tenth less work.
        "ANSIBLE_PIPELINING": "1",
    }


@pytest.fixture
def command(environment: dict[str, str]) -> Command:
    """Run a command in a folder and return what came of it, errors among its output."""

    def run(*words: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*map(str, words)],
            cwd=cwd,
            env={**environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            check=False,
        )

    return run
