"""A suite's own module of the docker SDK's name is no trouble: an audit does not import that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from stage import Stage

FILES = ("docker.py", "docker/__init__.py", "requests.py", "urllib3/__init__.py")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("file", FILES)
def test_an_audit_beside_it(file: str, tmp_path: Path, engine_url: str, stage: Stage) -> None:
    stage.run("tcp:0.0.0.0:80", exposes=("80",))
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("raise SystemExit('this is another one')")
    done = run(
        tmp_path, "--exposed", "--docker-host", engine_url, f"--exposed-filter={stage.filter}"
    )
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_a_fixture_beside_it(tmp_path: Path, engine_url: str, stage: Stage) -> None:
    name = stage.run("tcp:0.0.0.0:80", exposes=("80",)).name
    tests = tmp_path / "tests"
    (tests / "docker").mkdir(parents=True)
    (tests / "docker" / "__init__.py").write_text("")
    (tests / "docker" / "test_a.py").write_text("def test_a(): pass\n")
    (tests / "test_b.py").write_text(
        f"def test_b(container_listens_on): assert container_listens_on({name!r}, 80)\n"
    )
    done = run(tmp_path, "tests", "--docker-host", engine_url)
    assert "2 passed" in done.stdout, done.stdout
