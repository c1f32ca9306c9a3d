"""The documentation is true: every console session in it is run, and prints what stands there."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from docs.page import FOLDER, PAGES, Command, File, kinds, steps
from docs.scene import Scene, scene, shop
from docs.scenes import SCENES, SHOP

if TYPE_CHECKING:
    import docker

SHOWN_SOCKET = "unix:///var/run/docker.sock"
SECONDS = 120


@pytest.fixture(scope="module")
def on_stage(
    request: pytest.FixtureRequest,
    private_client: docker.DockerClient,
    environment: Mapping[str, str],
) -> Iterator[Scene]:
    """The containers of a page; the tutorial's are started once for all pages about them."""
    page = request.param
    actors = shop(private_client, environment) if page is None else None
    with actors or scene(private_client, SCENES.get(page, ())) as found:
        yield found


@pytest.fixture(autouse=True)
def as_it_was(
    request: pytest.FixtureRequest, private_client: docker.DockerClient
) -> Iterator[None]:
    """Remove what the commands of a page started, should the page not come to its end."""
    if "on_stage" in request.fixturenames:
        request.getfixturevalue("on_stage")
    before = {x["Id"] for x in private_client.api.containers(all=True)}
    yield
    for identity in {x["Id"] for x in private_client.api.containers(all=True)} - before:
        private_client.api.remove_container(identity, v=True, force=True)


@pytest.mark.parametrize(
    ("on_stage", "name"),
    [pytest.param(None if x in SHOP else x, x, id=x) for x in sorted(PAGES, key=SHOP.__contains__)],
    indirect=["on_stage"],
)
def test_every_command_prints_what_the_page_shows(
    on_stage: Scene, name: str, environment: Mapping[str, str], tmp_path: Path
) -> None:
    page = list(steps((FOLDER / name).read_text(encoding="utf-8")))
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    for step in page:
        if isinstance(step, File) and step.name.startswith("examples/"):
            example = (FOLDER.parent / step.name).read_text(encoding="utf-8")
            assert step.text == example, f"{step.name} has changed since"
        elif isinstance(step, File):
            path = tmp_path / step.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(on_stage.as_run(step.text), encoding="utf-8")
        else:
            check(step, tmp_path, environment, on_stage)


def check(command: Command, folder: Path, environment: Mapping[str, str], found: Scene) -> None:
    """Run a command and compare what it prints."""
    options = environment["PYTEST_ADDOPTS"]
    if "--exposed-run" in command.line:  # what it starts is young, and needs its grace
        options = options.replace("--exposed-grace=0", "")
    ran = subprocess.run(
        ["bash", "-c", command.line],
        cwd=folder,
        env={**environment, "PYTEST_ADDOPTS": options},
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
    known = {"console", "python", "ini", "toml", "yaml", "text", "dockerfile", "json", "sh"}
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
