"""What several tests of remote engines need: images that misbehave, and what is on an engine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from demo.images import busybox
from stage import wait_until
from workload import listener

from pytest_exposed.engine.helper import LABEL
from pytest_exposed.engine.json_fields import when

if TYPE_CHECKING:
    import docker
    from stage import Images


def helper_of(images: Images, *lines: str) -> str:
    """Return the tag of an image with sh and cat; its sh is a script of these lines, if any."""
    files: dict[str, Path | bytes] = {"/bin/busybox": busybox()}
    links = {f"/bin/{x}": "busybox" for x in ("sh", "cat", "ls")}
    if lines:
        files["/bin/sh"] = _script(lines)
        del links["/bin/sh"]
    return images.build(files=files, links=links)


def listener_with_cat(images: Images, *lines: str, exposes: tuple[str, ...] = ()) -> str:
    """Return the tag of an image of the listener and a cat: busybox's, or a script of lines."""
    files: dict[str, Path | bytes] = {"/bin/listener": listener(), "/bin/busybox": busybox()}
    if lines:
        files["/bin/cat"] = _script(lines)
    return images.build(
        exposes=exposes,
        files=files,
        links={} if lines else {"/bin/cat": "busybox"},
        entrypoint=("/bin/listener",),
    )


def _script(lines: tuple[str, ...]) -> bytes:
    return "\n".join(["#!/bin/busybox sh", *lines, ""]).encode()


def helpers(client: docker.DockerClient, image: str) -> list[dict[str, Any]]:
    """Return the helper containers of an image that are on the engine."""
    filters = {"label": LABEL, "ancestor": image}
    return [dict(x) for x in client.api.containers(all=True, filters=filters)]


def running_helper(client: docker.DockerClient, image: str) -> str:
    """Return the id of the helper of an image, as soon as it runs."""
    running = wait_until(
        lambda: [x["Id"] for x in helpers(client, image) if x["State"] == "running"],
        f"a helper of {image} runs",
    )
    return str(running[0])


def clock(client: docker.DockerClient) -> float:
    """Return the time by the engine's clock."""
    now = when(client.info()["SystemTime"])
    assert now is not None
    return now.timestamp()


@contextmanager
def in_background(work: Callable[[], object]) -> Iterator[list[object]]:
    """Do work in a thread while the block runs, and wait for what it returns or raises."""
    came_to: list[object] = []

    def run() -> None:
        try:
            came_to.append(work())
        except Exception as error:  # noqa: BLE001  # for the test to look at
            came_to.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield came_to
    finally:
        thread.join(30)
    assert not thread.is_alive()


@contextmanager
def refusing_port() -> Iterator[int]:
    """Yield a port of 127.0.0.1 on which nothing listens, and nothing will for the while."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


WRITES_ITS_MODULES = """
import json, pytest, sys

@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    with open("modules.json", "w") as file:
        json.dump(sorted(sys.modules), file)
"""


def modules_of_an_audit(folder: Path, *arguments: str) -> set[str]:
    """Return what a whole audit imports that has no other plugin, and judges something."""
    (folder / "conftest.py").write_text(WRITES_ITS_MODULES)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "exposed", "--exposed", *arguments],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    return set(json.loads((folder / "modules.json").read_bytes()))


def pytest_process(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start an audit in a process and a folder of its own, which an interrupt reaches."""
    # A job in the background may have been started with the signal ignored, and pass that on.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "pytest", "--exposed"]
    command += ["-p", "no:cacheprovider", *arguments]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
