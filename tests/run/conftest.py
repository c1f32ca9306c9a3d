"""Runs of pytest that start containers, on the engine of the tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from stage import RUN, wait_until

if TYPE_CHECKING:
    import docker
    from stage import Images

    Run = Callable[..., pytest.RunResult]

BUSY = 60.0
"""Seconds that a run of pytest may take to begin or end where other tests keep the machine busy."""

_PYTEST = """
import signal, sys, pytest
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
sys.exit(pytest.main())
"""
"""Pytest where signals do what they do in a terminal: jobs in the background ignore some."""

_NAMES = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")


class Started:
    """The containers on the engine that are of the run's images, whoever started them."""

    def __init__(self, client: docker.DockerClient, images: Images) -> None:
        self._client, self._run = client, images.run

    def all(self) -> list[dict[str, Any]]:
        """Return the engine's records of those that runs of pytest have started."""
        label = ["pytest-exposed.run", f"{RUN}={self._run}"]
        found: list[dict[str, Any]] = self._client.api.containers(
            all=True, filters={"label": label}
        )
        return found


@pytest.fixture
def started(client: docker.DockerClient, images: Images) -> Iterator[Started]:
    """What runs of pytest have started; after the test there is none."""
    found = Started(client, images)
    yield found
    left = found.all()
    for record in left:
        client.api.remove_container(record["Id"], v=True, force=True)
    assert not left


@pytest.fixture
def run(run_beside: Run, started: Started) -> Run:
    """Run pytest on the engine of the tests; nothing that it starts is left."""

    def run(*arguments: str) -> pytest.RunResult:
        result = run_beside(*arguments)
        assert not started.all()
        return result

    return run


@pytest.fixture
def run_beside(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, engine_url: str) -> Run:
    """Run pytest on the engine of the tests, beside another run that has started something."""
    for name in _NAMES:
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> pytest.RunResult:
        given = ("--docker-host", engine_url)
        result = pytester.runpytest(*given, *arguments)
        for line in (*result.outlines, *result.errlines):
            assert "Traceback (most recent" not in line
            assert "INTERNALERROR" not in line
        return result

    return run


@pytest.fixture
def begin(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, engine_url: str, started: Started
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Begin a run of pytest in a process of its own, and return it when its container is there.

    Or at once, where started_something is False.
    """
    for name in _NAMES:
        monkeypatch.delenv(name, raising=False)
    begun: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, started_something: bool = True) -> subprocess.Popen[str]:
        given = ("--docker-host", engine_url)
        process = subprocess.Popen(
            [sys.executable, "-c", _PYTEST, *given, *arguments],
            cwd=pytester.path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        begun.append(process)
        if not started_something:
            return process
        wait_until(
            lambda: started.all() or process.poll() is not None, "a container is started", BUSY
        )
        assert process.poll() is None
        return process

    yield begin
    for process in begun:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
