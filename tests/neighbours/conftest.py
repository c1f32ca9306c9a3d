"""Containers of each outcome, and runs of pytest beside other plugins."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from stage import Stage

collect_ignore = (
    [] if "pytest-testmon" in os.environ.get("EXPOSED_NEIGHBOURS", "") else ["test_deselection.py"]
)

NAMESPACE = "/proc/thread-self/ns/net"

REPORT_NAMESPACE = f"""
import os

def pytest_unconfigure(config):
    with open({{file!r}}, "a") as file:
        file.write(os.readlink("{NAMESPACE}") + "\\n")
"""


@dataclass(frozen=True)
class Trio:
    """A container that passes, one with a finding, and one that can't be observed by exec."""

    passing: str
    failing: str
    unseen: str
    options: tuple[str, ...]
    """Those of an audit of the three."""


@pytest.fixture(autouse=True)
def _plugins_are_loaded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs inside of tests load what is installed, slow or not; tox keeps it from the tests."""
    request.getfixturevalue("all_plugins")
    monkeypatch.delenv("PYTEST_ADDOPTS")
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def trio(shared_stage: Stage, engine_url: str) -> Trio:
    """The three containers, shared by a module's tests."""
    stage = shared_stage
    passing = stage.script("exec listener tcp:0.0.0.0:80 ready", name="passing", exposes=("80",))
    words = "exec listener tcp:0.0.0.0:80 tcp:0.0.0.0:9100 ready"
    failing = stage.script(words, name="failing", exposes=("80",))
    unseen = stage.run("tcp:0.0.0.0:80", name="unseen", exposes=("80",))
    for each in (passing, failing):
        each.wait_for("ready")
    options = (
        *("--exposed", "--docker-host", engine_url, "--exposed-filter", stage.filter),
        *("--exposed-grace=0", "--exposed-source=exec"),
    )
    return Trio(passing.name, failing.name, unseen.name, options)


@dataclass(frozen=True)
class Namespaces:
    """The network namespaces in which runs of pytest ended."""

    file: Path

    def conftest(self, text: str) -> str:
        """Return a conftest that also notes where the run ends."""
        return text + REPORT_NAMESPACE.format(file=str(self.file))

    def check(self) -> None:
        """Check that all runs ended where they began: here."""
        assert set(self.file.read_text().split()) == {os.readlink(NAMESPACE)}


@pytest.fixture
def namespaces(tmp_path: Path) -> Namespaces:
    """Where the runs of a test end."""
    return Namespaces(tmp_path / "namespaces")
