"""`--exposed-report=json:-`: standard output has the JSON report and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from refusal import refusal
from schema import problems

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage import Stage, Staged

    Run = Callable[..., pytest.RunResult]

NOISE = """
import os

def test_noise():
    print("from python")
    os.system("echo from a program")
"""


@pytest.fixture(scope="module")
def drift(shared_stage: Stage) -> Staged:
    return shared_stage.run("tcp:0.0.0.0:80", name="drift")


@pytest.fixture
def words(engine_url: str, shared_stage: Stage, drift: Staged) -> list[str]:
    """The words of an audit of one container, its report on standard output."""
    assert drift.state() == "running"
    given = ["--exposed", "--exposed-grace=0", "--docker-host", engine_url]
    return [*given, "--exposed-filter", shared_stage.filter, "--exposed-report=json:-"]


def only_container(text: str) -> Any:
    document = json.loads(text)
    assert problems(document) == []
    (host,) = document["hosts"]
    (container,) = host["containers"]
    return container


@pytest.mark.parametrize(
    "options", [(), ("-q",), ("-v",), ("-s",), ("-p", "no:terminal"), ("-n2",)], ids=" ".join
)
def test_a_pipe_gets_json_alone(
    options: tuple[str, ...], words: list[str], pytester: pytest.Pytester, drift: Staged
) -> None:
    pytester.makepyfile(test_noise=NOISE)
    command = [sys.executable, "-m", "pytest", *words, "test_noise.py", *options]
    run = subprocess.run(command, cwd=pytester.path, capture_output=True, text=True, check=False)
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stderr
    assert only_container(run.stdout)["name"] == drift.name
    if "no:terminal" not in options:
        assert run.stderr.count("1 failed, 1 passed") == 1
        assert run.stderr.count("test session starts") == ("-q" not in options)
    if "-s" in options:
        assert "from python" in run.stderr
        assert "from a program" in run.stderr


def test_where_a_program_runs_pytest(words: list[str], run_pytest: Run) -> None:
    result = run_pytest(*words)
    assert only_container(str(result.stdout))["findings"][0]["rule"] == "undocumented"
    assert "1 failed" in result.errlines[-1]
    # What comes after it is printed as before.
    assert run_pytest("--version").ret == pytest.ExitCode.OK


def test_a_file_beside_it(words: list[str], run_pytest: Run, pytester: pytest.Pytester) -> None:
    result = run_pytest(*words, "--exposed-report=report.json")
    written = (pytester.path / "report.json").read_text(encoding="utf-8")
    assert json.loads(written) == json.loads(str(result.stdout))


def test_a_reader_that_has_gone(words: list[str], pytester: pytest.Pytester) -> None:
    command = [sys.executable, "-m", "pytest", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=pytester.path, stdout=pipe, stderr=pipe) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.close()
        said = run.stderr.read().decode()
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "exposed: standard output can't be written: Broken pipe" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("name", ["json:", "json:x", "md:-", "-"])
def test_another_form(name: str, run_pytest: Run, words: list[str]) -> None:
    said = refusal(run_pytest(*words[:-1], f"--exposed-report={name}"))
    assert said.startswith(f"{name!r} is not a report")
    assert said.endswith(" or json:- for standard output")
