"""The playbook, on a local connection: it installs, audits, and fails with the findings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from examples.common import EXAMPLES, Command, copy

if TYPE_CHECKING:
    from stage import Stage

Play = Callable[..., tuple[int, str]]
"""Runs the playbook on a stage, with variables; returns its status and its output."""


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the playbook installs the package; once for all tests."""
    return tmp_path_factory.mktemp("opt") / "pytest-exposed"


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The wheel that tox has built, or one that is: of a folder, each play would build its own."""
    if given := os.environ.get("TOX_PACKAGE"):
        return given
    folder = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder]
    subprocess.run([*words, EXAMPLES.parent], check=True)
    (wheel,) = folder.iterdir()
    return str(wheel)


@pytest.fixture
def play(tmp_path: Path, venv: Path, package: str, command: Command) -> Play:
    folder = copy("ansible", tmp_path, {})

    def play(stage: Stage, **variables: object) -> tuple[int, str]:
        given = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            # The user may be root already, and sudo not there.
            "ansible_become": False,
            "exposed_package": package,
            "exposed_venv": str(venv),
            "exposed_options": ["--exposed-grace=0", "--exposed-filter", stage.filter],
            **variables,
        }
        words = ["ansible-playbook", "-i", "here,", "-e", json.dumps(given), "audit.yml"]
        result = command(*words, cwd=folder)
        return result.returncode, result.stdout

    return play


def test_it_passes(play: Play, stage: Stage) -> None:
    stage.run("tcp:0.0.0.0:80", exposes=["80"])
    status, output = play(stage)
    assert status == 0, output
    assert "exposed: 1 container on 1 host, 1 match" in output


def test_it_fails_with_the_findings(play: Play, stage: Stage) -> None:
    drift = stage.run("tcp:0.0.0.0:81", exposes=["80"])
    status, output = play(stage)
    assert status == 2, output
    assert "failed=1" in output
    assert f"{drift.name} ({drift.image}) does not match its image" in output
    assert "listens on 0.0.0.0:81, and " in output
    assert "exposed: 1 container on 1 host, 0 match, 1 do not (" in output
    assert f"FAILED exposed::{drift.name} - silent 80/tcp, undocumented 81/tcp" in output
    assert "add to its Dockerfile: EXPOSE 81/tcp" in output


def test_waivers_are_settings(play: Play, stage: Stage) -> None:
    stage.run("tcp:0.0.0.0:81", exposes=["80"])
    waiver = "exposed_allow = *: 80, 81  # known"
    status, output = play(stage, exposed_settings=waiver)
    assert status == 0, output
    assert "0 match, 1 accepted" in output


def test_a_host_without_containers_is_no_pass(play: Play, stage: Stage) -> None:
    status, output = play(stage)
    assert status == 2, output
    assert "0 running containers that match" in output
