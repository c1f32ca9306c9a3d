"""Suites that patch threads, clocks, sockets and files: right answers, and nothing moves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from stage import Stage

pytestmark = pytest.mark.usefixtures("all_plugins")

SUITE = """
import os, sys
import pytest

def test_two(container_listens_on):
    assert container_listens_on("NAME-fine", 80, only=True)
    assert container_listens_on("NAME-more", 80, 81, only=True)

def test_within(container_listens_on):
    assert not container_listens_on("NAME-fine", 81, within=0.3)
    assert container_listens_on("NAME-fine", 80)
"""

CONFTEST = """
import sys

def where():
    return sys.modules["posix"].readlink("/proc/thread-self/ns/net")

BEFORE = where()

def pytest_unconfigure():
    assert where() == BEFORE, "the run has moved"
"""

GEVENT = "import gevent.monkey\ngevent.monkey.patch_all(WHAT)"
EVENTLET = "import eventlet\neventlet.monkey_patch()"
FIXTURE = """
import pytest
@pytest.fixture(autouse=True)
def patched(request, monkeypatch):
    {}
    yield
"""
FREEZE = "import freezegun\nfreezegun.freeze_time('2030-01-01').start()"

PATCHES = {
    "gevent": GEVENT.replace("WHAT", ""),
    "gevent-without-threads": GEVENT.replace("WHAT", "thread=False"),
    "gevent-sockets": "import gevent.monkey\ngevent.monkey.patch_socket()",
    "gevent-later": FIXTURE.format(
        "if request.node.name == 'test_within': import gevent.monkey; gevent.monkey.patch_all()"
    ),
    "eventlet": EVENTLET,
    "eventlet-later": FIXTURE.format(
        "if request.node.name == 'test_within': import eventlet; eventlet.monkey_patch()"
    ),
    "freezegun": FREEZE,
    "freezegun-in-a-test": FIXTURE.format(
        "import freezegun; freezer = freezegun.freeze_time('2030-01-01'); freezer.start(); "
        "request.addfinalizer(freezer.stop)"
    ),
    "time-machine": FIXTURE.format(
        "import time_machine; t = time_machine.travel('2030-01-01', tick=False); t.start(); "
        "request.addfinalizer(t.stop)"
    ),
    "eventlet-and-freezegun": f"{EVENTLET}\n{FREEZE}",
    "mocks": FIXTURE.format(
        "import time; [monkeypatch.setattr(time, x, lambda *_: 7.0) "
        "for x in ('sleep', 'monotonic', 'time')]"
    ),
    "pyfakefs": FIXTURE.format("request.getfixturevalue('fs').create_file('/proc/1/cgroup')"),
}

WARNINGS = ("-W", "ignore")
"""eventlet and gevent warn of what they do themselves."""


@pytest.fixture(scope="module")
def pair(shared_stage: Stage) -> Stage:
    """A container that matches its image, and one that doesn't."""
    shared_stage.run("tcp:0.0.0.0:80", name="fine", exposes=("80",))
    shared_stage.run("tcp:0.0.0.0:80", "tcp:0.0.0.0:81", name="more", exposes=("80",))
    return shared_stage


def run(stage: Stage, engine_url: str, folder: Path, patch: str, *options: str) -> None:
    """Run a suite and the audit in a process of their own; both have to answer rightly."""
    (folder / "conftest.py").write_text(f"{patch}\n{CONFTEST}")
    (folder / "test_it.py").write_text(SUITE.replace("NAME", stage.name))
    given = ["--docker-host", engine_url, "--exposed-filter", stage.filter, "--exposed-grace=0"]
    given += ["--exposed", ".", "--exposed-report=report.json", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *WARNINGS, *given, *options]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert "3 passed" in done.stdout, done.stdout
    assert "1 failed" in done.stdout, done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "the run has moved" not in done.stdout + done.stderr
    (host,) = json.loads((folder / "report.json").read_text())["hosts"]
    found = {x["name"]: [y["port"] for y in x["findings"]] for x in host["containers"]}
    assert found == {f"{stage.name}-fine": [], f"{stage.name}-more": ["81/tcp"]}
    if not options and os.geteuid() == 0:
        assert {x["source"] for x in host["containers"]} == {"netlink"}


@pytest.mark.parametrize("patch", PATCHES)
def test_a_suite_that_patches(
    patch: str, pair: Stage, engine_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if patch == "pyfakefs":
        monkeypatch.delenv("PYTEST_ADDOPTS")  # without its plugin
    run(pair, engine_url, tmp_path, PATCHES[patch])


def test_sockets_that_are_disabled(pair: Stage, engine_url: str, tmp_path: Path) -> None:
    run(pair, engine_url, tmp_path, "", "--disable-socket", "--allow-unix-socket")
