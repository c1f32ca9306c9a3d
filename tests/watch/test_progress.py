"""The live line in a terminal: what is waited for, while it is; nothing of it is left."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from stage import Images, Stage

Screen = tuple[str, list[str]]


def shown(raw: str) -> list[str]:
    """Return the lines that a terminal shows in the end, as far as \\r and \\n lead."""
    lines = []
    for line in re.sub(r"\x1b\[[0-9;]*[mK]", "", raw).replace("\r\n", "\n").split("\n"):
        cells = ""
        for part in line.split("\r"):
            cells = part + cells[len(part) :]
        lines.append(cells.rstrip())
    return lines


@pytest.fixture
def in_terminal(pytester: pytest.Pytester, engine_url: str) -> Callable[..., Screen]:
    """Run pytest in a terminal; return all that it wrote, and what is on the screen in the end."""

    def run(*arguments: str) -> Screen:
        ours, theirs = pty.openpty()
        given = ("--docker-host", engine_url, *arguments)
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *given],
            cwd=pytester.path,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        written = b""
        with suppress(OSError):  # the other side is closed
            while part := os.read(ours, 65536):
                written += part
        os.close(ours)
        assert process.wait() in (0, 1)
        text = written.decode()
        return text, shown(text)

    return run


def test_watching(in_terminal: Callable[..., Screen], stage: Stage) -> None:
    for name in ("one", "two"):
        stage.run("tcp:0.0.0.0:80", exposes=("80",), name=name)
    options = ("--exposed", "--exposed-filter", stage.filter, "--exposed-grace=0")
    written, screen = in_terminal(*options, "--exposed-watch=3")
    seconds = re.findall(r"exposed: watching 2 containers for (\d) s more …", written)
    assert len(seconds) > 5
    assert seconds == sorted(seconds, reverse=True)
    assert len(set(seconds)) > 2
    assert not [x for x in screen if x.endswith("…")]
    assert any(x.startswith("exposed: 2 containers on 1 host, 2 match") for x in screen)


def test_a_container_that_the_run_starts(
    in_terminal: Callable[..., Screen], images: Images
) -> None:
    image = images.build(exposes=("80", "81"))
    line = f"--exposed-run={image} tcp:0.0.0.0:80"
    written, screen = in_terminal(line, "--exposed-grace=3", "--exposed-watch=2")
    written = written.partition("= FAILURES =")[0]  # while it waits, and not as captured output
    lines = [f"starting {image} …", f"{image} has run for 1 of 3 s at most, waiting for 81/tcp …"]
    lines.append("watching 1 container for 1 s more …")
    places = [written.find(f"exposed: {x}") for x in lines]
    assert -1 not in places
    assert places == sorted(places)
    assert not [x for x in screen if x.endswith("…") or "Captured" in x]
    assert any(re.fullmatch(r"exposed F +\[100%\]", x) for x in screen)


def test_a_container_that_has_just_started(
    in_terminal: Callable[..., Screen], stage: Stage
) -> None:
    name = stage.run("tcp:0.0.0.0:80", exposes=("80", "81")).name
    options = ("--exposed", "--exposed-filter", stage.filter, "--exposed-grace=6")
    written, screen = in_terminal(*options)
    waits = rf"exposed: {name} has just started, waiting (\d) s more at most …"
    assert re.findall(waits, written.partition("= FAILURES =")[0])
    assert not [x for x in screen if x.endswith("…") or "Captured" in x]
    assert any(re.fullmatch(r"exposed F +\[100%\]", x) for x in screen)


def test_quiet(in_terminal: Callable[..., Screen], stage: Stage) -> None:
    stage.run("tcp:0.0.0.0:80", exposes=("80",))
    options = ("--exposed", "--exposed-filter", stage.filter, "--exposed-grace=0")
    written, _ = in_terminal(*options, "--exposed-watch=1", "-q")
    assert "watching" not in written
