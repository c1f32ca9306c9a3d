"""The documentation is true: every console session in it is run, and prints what stands there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from docs.page import FOLDER, Command, File, kinds, steps
from docs.scene import Scene, scene
from docs.scenes import SCENES

if TYPE_CHECKING:
    import docker
    from remote.private import PrivateEngine

PAGES = sorted(x.name for x in FOLDER.glob("*.md"))
SHOWN_SOCKET = "unix:///var/run/docker.sock"
SECONDS = 120


@pytest.fixture
def environment(private: PrivateEngine) -> Mapping[str, str]:
    """What the commands find: our pytest, and an engine of their own. The containers are young."""
    quiet = "-p no:cacheprovider -p no:hypothesispytest -p no:xdist --exposed-grace=0"
    programs = os.path.dirname(sys.executable)
    kept = {x: y for x, y in os.environ.items() if not x.startswith(("PYTEST_", "DOCKER_", "TOX_"))}
    return kept | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}{os.pathsep}/usr/sbin",
        "DOCKER_HOST": private.url,
        "PYTEST_ADDOPTS": quiet,
        "COLUMNS": "80",
        "NO_COLOR": "1",
    }


@pytest.mark.parametrize("name", PAGES)
def test_every_command_prints_what_the_page_shows(
    name: str,
    private_client: docker.DockerClient,
    environment: Mapping[str, str],
    tmp_path: Path,
) -> None:
    page = list(steps((FOLDER / name).read_text(encoding="utf-8")))
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    with scene(private_client, SCENES.get(name, ())) as found:
        for step in page:
            if isinstance(step, File) and step.name.startswith("examples/"):
                example = (FOLDER.parent / step.name).read_text(encoding="utf-8")
                assert step.text == example, f"{step.name} has changed since"
            elif isinstance(step, File):
                path = tmp_path / step.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(step.text, encoding="utf-8")
            else:
                check(step, tmp_path, environment, found)


def check(command: Command, folder: Path, environment: Mapping[str, str], found: Scene) -> None:
    """Run a command and compare what it prints."""
    ran = subprocess.run(
        ["bash", "-c", command.line],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    text = found.as_written(ran.stdout)
    for slashes in ("///", "/"):  # pytest shows the id of a test as a path, without doubled ones
        own, shown = (x.replace("///", slashes) for x in (environment["DOCKER_HOST"], SHOWN_SOCKET))
        text = text.replace(own, shown)
    text = "".join(f"{x.rstrip()}\n" for x in text.splitlines())
    if not command.prints(text):
        lines = unified_diff(command.output.splitlines(), text.splitlines(), "page", "command", n=9)
        pytest.fail(f"$ {command.line}\n" + "\n".join(lines), pytrace=False)


@pytest.mark.parametrize("name", PAGES)
def test_every_block_is_of_a_kind_that_is_run_or_read(name: str) -> None:
    known = {"console", "python", "ini", "toml", "yaml", "text", "dockerfile", "json"}
    assert kinds((FOLDER / name).read_text(encoding="utf-8")) <= known


@pytest.mark.parametrize(
    ("expected", "text", "same"),
    [
        ("a\n", "a\n", True),
        ("a\n", "b\n", False),
        ("a\n", "", False),
        ("", "", True),
        ("", "a\n", False),
        ("a\n...\nz\n", "a\nz\n", True),
        ("a\n...\nz\n", "a\nb\nc\nz\n", True),
        ("a\n...\nz\n", "a\nb\nc\n", False),
        ("in ...s\n", "in 0.1s\n", True),
        ("in ...s\n", "in 0.1\n", False),
        ("(.*)\n", "x\n", False),
    ],
)
def test_outputs_are_compared_to_the_letter(expected: str, text: str, same: bool) -> None:
    assert Command("x", expected).prints(text) is same
