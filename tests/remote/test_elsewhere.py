"""Where nothing answers at the default socket, the line names what does, and what to write."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from remote.doors import Door

from pytest_exposed.engine.api import Api
from pytest_exposed.engine.calls import LostError
from pytest_exposed.engine.elsewhere import advice
from pytest_exposed.engine.hosts import DEFAULT_SOCKET, resolve

PLACES = {
    "XDG_RUNTIME_DIR": ("docker.sock", "podman/podman.sock"),
    "HOME": (".docker/run/docker.sock", ".docker/desktop/docker.sock"),
}


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    # In the folders of pytest's tests its path would be too long for a socket.
    found = Path(tempfile.mkdtemp(prefix="pe-"))
    monkeypatch.setenv("HOME", str(found))
    yield found
    shutil.rmtree(found)


@pytest.mark.parametrize(
    ("variable", "place"), [(name, x) for name, places in PLACES.items() for x in places]
)
def test_the_socket_of_another_engine(
    variable: str, place: str, folder: Path, socket_url: str
) -> None:
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    environment = {variable: str(folder)}
    with Door(socket_url, path):
        assert advice(DEFAULT_SOCKET, environment) == (
            f"; one answers at unix://{path}: --docker-host=unix://{path}"
        )
        assert str(path) not in advice(f"unix://{path}", environment)
    assert str(path) not in advice(DEFAULT_SOCKET, environment)  # it is left, and nobody answers


def test_what_podman_is_told(folder: Path, socket_url: str) -> None:
    url = f"unix://{folder}/p.sock"
    with Door(socket_url, folder / "p.sock"):
        assert advice(DEFAULT_SOCKET, {"CONTAINER_HOST": url}).endswith(f"--docker-host={url}")
    assert "ssh" not in advice(DEFAULT_SOCKET, {"CONTAINER_HOST": "ssh://elsewhere"})


def test_something_that_is_no_engine(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(folder / "docker.sock"))
        silent.listen()
        assert str(folder) not in advice(DEFAULT_SOCKET, {"XDG_RUNTIME_DIR": str(folder)})


def test_the_line_of_the_default_socket_has_it(
    folder: Path, socket_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = f"unix://{folder}/missing.sock"
    monkeypatch.setattr("pytest_exposed.engine.calls.DEFAULT_SOCKET", missing)
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{folder}/p.sock")
    with (
        Door(socket_url, folder / "p.sock"),
        pytest.raises(LostError, match=r"no such socket: .*; one answers at unix://.*/p\.sock: "),
    ):
        Api(resolve(missing), 5)
