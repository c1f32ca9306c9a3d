"""A suite's own module of the docker SDK's name is named, and ends nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


FILES = {
    "a file": "docker.py",
    "a package": "docker/__init__.py",
    "what the SDK needs": "requests.py",
}


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_an_audit_names_what_hides_it(file: str, tmp_path: Path, engine_url: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    done = run(tmp_path, "--exposed", "--docker-host", engine_url)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    (line,) = [x for x in done.stderr.splitlines() if x]
    assert line.startswith("ERROR: pytest-exposed: the docker SDK can't be imported: ")
    assert str(path) in line
    assert "rename it" in line


def test_a_fixture_names_it_and_other_tests_run(tmp_path: Path, engine_url: str) -> None:
    tests = tmp_path / "tests"
    (tests / "docker").mkdir(parents=True)
    (tests / "docker" / "__init__.py").write_text("")
    (tests / "docker" / "test_a.py").write_text("def test_a(): pass\n")
    (tests / "test_b.py").write_text("def test_b(container_listens_on): pass\n")
    done = run(tmp_path, "tests", "--docker-host", engine_url)
    assert "1 passed, 1 error" in done.stdout
    assert f"{tests / 'docker' / '__init__.py'} is imported as 'docker'" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
