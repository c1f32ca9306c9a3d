"""The testinfra suite on the demo's containers: one half passes, the other fails and teaches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from demo.story import story
from examples.common import EXAMPLES, Command

if TYPE_CHECKING:
    import docker

SUITE = EXAMPLES / "testinfra"


@pytest.fixture(scope="module", autouse=True)
def _demo(client: docker.DockerClient, demo_alone: None) -> Iterator[None]:  # noqa: ARG001  # it waits
    with story(client):
        yield


def pytest_on(command: Command, tmp_path: Path, file: str) -> tuple[int, str]:
    configuration = tmp_path / "pytest.ini"
    configuration.write_text("[pytest]\n", encoding="ascii")
    words = ["pytest", "-p", "no:cacheprovider", "-c", configuration, SUITE / file]
    result = command(*words, cwd=tmp_path, COLUMNS="200")
    return result.returncode, result.stdout


def test_what_holds(command: Command, tmp_path: Path) -> None:
    status, output = pytest_on(command, tmp_path, "test_services.py")
    assert status == 0, output
    assert "= 6 passed in " in output


def test_what_does_not(command: Command, tmp_path: Path) -> None:
    status, output = pytest_on(command, tmp_path, "test_drift.py")
    assert status == 1, output
    assert "= 4 failed in " in output
    for line in (
        "demo-noexpose: nothing listens on 8080/tcp (it listens on 80/tcp)",
        "demo-loopback does not match webapp:loopback: unreachable 8000/tcp",
        "demo-noexpose does not match webapp:noexpose: undocumented 80/tcp",
        "Ports of demo-noexpose",
    ):
        assert line in output
