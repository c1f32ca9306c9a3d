"""What a person sees at a terminal, and what a pipe gets: colours, a line while it takes time."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from workload import listener

if TYPE_CHECKING:
    from stage import Stage

Audit = Callable[..., pytest.RunResult]
TerminalRun = Callable[..., str]

RED, GREEN, BOLD = "\x1b[31m", "\x1b[32m", "\x1b[1m"


@pytest.fixture
def at_terminal(
    engine_url: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> TerminalRun:
    """Run an audit of a stage at a terminal of its own; return all that is written to it."""
    for name in ("CI", "BUILD_NUMBER", "NO_COLOR", "PY_COLORS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")

    def run(stage: Stage, *arguments: str) -> str:
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
        command += ["--exposed", "--exposed-grace=0", "--exposed-filter", stage.filter]
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [*command, "--docker-host", engine_url],
            cwd=pytester.path,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        written = bytearray()
        try:
            while chunk := os.read(ours, 65536):
                written += chunk
        except OSError:  # EIO: the last who had it open has ended (pty(7))
            pass
        finally:
            os.close(ours)
            process.wait(20)
        return written.decode()

    return run


def shown(written: str) -> list[str]:
    """Return the lines that a terminal shows in the end."""
    lines = []
    for line in re.sub(r"\x1b(\[[0-9;]*[a-zA-Z]|\].*?\x1b\\)", "", written).split("\r\n"):
        cells: list[str] = []
        for part in line.split("\r"):
            cells[: len(part)] = part
        lines.append("".join(cells).rstrip())
    return lines


def test_a_line_says_what_takes_time_and_goes(at_terminal: TerminalRun, stage: Stage) -> None:
    stage.run("tcp:0.0.0.0:80", name="a", exposes=("80",))
    stage.run("tcp:0.0.0.0:80", name="b", exposes=("80",))
    written = at_terminal(stage)
    assert "exposed: reaching 1 host …" in written
    assert "exposed: looking at 2 containers on unix://" in written
    lines = shown(written)
    assert not [x for x in lines if "…" in x]
    (progress,) = [x for x in lines if x.startswith("exposed ")]
    assert re.fullmatch(r"exposed \.\. +\[100%\]", progress)


def test_a_suite_before_it_keeps_its_line(
    at_terminal: TerminalRun, stage: Stage, pytester: pytest.Pytester
) -> None:
    stage.run("tcp:0.0.0.0:80", exposes=("80",))
    pytester.makepyfile(test_before="def test_one(): pass\ndef test_two(): pass")
    lines = shown(at_terminal(stage, "test_before.py"))
    assert "test_before.py .." in lines
    assert [x for x in lines if re.match(r"exposed \. +\[100%\]", x)]


def test_quietly_there_is_none(at_terminal: TerminalRun, stage: Stage) -> None:
    stage.run("tcp:0.0.0.0:80", exposes=("80",))
    assert "…" not in at_terminal(stage, "-q")


def test_the_last_line_has_the_colour_of_the_result(at_terminal: TerminalRun, stage: Stage) -> None:
    stage.run("tcp:0.0.0.0:80", name="good", exposes=("80",))
    written = at_terminal(stage, "-v")
    assert f"{GREEN}exposed: 1 container on 1 host, 1 match" in written
    assert re.search(re.escape(BOLD) + rf"{stage.name}-good \(.*\), seen by ", written)
    stage.run("tcp:0.0.0.0:80", name="drift")
    written = at_terminal(stage)
    assert f"{RED}exposed: 2 containers on 1 host, 1 match, 1 do not" in written


def test_a_pipe_gets_plain_text(audit: Audit, stage: Stage) -> None:
    stage.run("tcp:0.0.0.0:80", name="drift")
    text = str(audit(stage, "-v").stdout)
    assert "\x1b" not in text
    assert "\r" not in text
    assert "looking at" not in text


def test_tables_are_aligned_whatever_the_names(audit: Audit, stage: Stage) -> None:
    image = stage.images.build(
        exposes=("80",), files={"/bin/進程": listener()}, instructions=['ENTRYPOINT ["/bin/進程"]']
    )
    words = ("tcp:0.0.0.0:80", "tcp:127.0.0.1:65535")
    stage.run(*words, image=image, name="x" * 200)
    lines = audit(stage, "-v").outlines
    heading = next(x for x in lines if x.startswith("PORT "))
    column = heading.index("PROCESS")
    rows = [x for x in lines if re.match(r"[0-9]+/tcp ", x)]
    assert [x[column:] for x in rows] == ["進程 (pid 1)"] * 2
    assert all(x[column - 2 : column] == "  " for x in rows)


def test_the_id_of_a_name_with_dots_can_be_typed(audit: Audit, stage: Stage) -> None:
    container = stage.run("tcp:0.0.0.0:80", exposes=("80",), name="reg.io-app.1")
    result = audit(stage, "-v")
    result.stdout.fnmatch_lines([f"exposed::{container.name} PASSED*"])
    audit(stage, f"exposed::{container.name}").assert_outcomes(passed=1)


def test_the_heading_of_a_name_with_dots(audit: Audit, stage: Stage) -> None:
    name = stage.run("tcp:0.0.0.0:80", name="reg.io-app.1").name
    lines = audit(stage).outlines
    assert any(re.fullmatch(f"_+ container {name} _+", x) for x in lines)
