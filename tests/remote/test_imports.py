"""An audit imports no library for HTTP, however its engine is reached."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from remote.common import modules_of_an_audit
from remote.doors import Door
from remote.private import write_certificates

if TYPE_CHECKING:
    from stage import Stage

LIBRARIES = {"docker", "requests", "urllib3", "paramiko"}
RARE = {"pytest_exposed.engine.inventory", "pytest_exposed.engine.nodes", "configparser"}
"""Loaded by those who name an inventory or a swarm."""


@pytest.fixture
def options(stage: Stage) -> list[str]:
    """Audit one container, which matches its image."""
    stage.run("tcp:0.0.0.0:80", exposes=("80",))
    return ["--exposed-filter", stage.filter]


def test_by_a_socket(options: list[str], socket_url: str, tmp_path: Path) -> None:
    found = modules_of_an_audit(tmp_path, "--docker-host", socket_url, *options)
    assert not found & (LIBRARIES | RARE)
    assert not found & {"http.client", "ssl", "concurrent.futures"}


def test_by_tcp(options: list[str], socket_url: str, tmp_path: Path) -> None:
    with Door(socket_url, ("127.0.0.1", 0)) as door:
        url = f"tcp://127.0.0.1:{door.port}"
        assert not modules_of_an_audit(tmp_path, "--docker-host", url, *options) & LIBRARIES
    assert door.came


def test_by_tls(
    options: list[str], socket_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    folder = write_certificates(tmp_path / "c", authority, authority.issue_cert("a@b.org"))
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(folder))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with Door(socket_url, ("127.0.0.1", 0), tls=context) as door:
        url = f"tcp://127.0.0.1:{door.port}"
        assert not modules_of_an_audit(tmp_path, "--docker-host", url, *options) & LIBRARIES
    assert door.came
