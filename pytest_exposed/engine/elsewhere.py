"""Finds an engine at another socket of this machine, if none answers at the default one."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping

from pytest_exposed.errors import ends_run
from pytest_exposed.text import printable
from pytest_exposed.unpatched import socket_class

_SECONDS = 2.0


def advice(url: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return "; " and the socket that an engine answers at, with the option to use; or nothing."""
    for other in _candidates(environment):
        path = other.removeprefix("unix://")
        if other != url and path.startswith("/") and _answers(path):
            shown = printable(other)
            return f"; one answers at {shown}: --docker-host={shown}"
    return ""


def _candidates(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the documented sockets of podman, rootless docker and Docker Desktop."""
    yield environment.get("CONTAINER_HOST", "")
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        yield f"unix://{runtime}/docker.sock"
        yield f"unix://{runtime}/podman/podman.sock"
    yield f"unix://{os.path.expanduser('~')}/.docker/run/docker.sock"
    yield f"unix://{os.path.expanduser('~')}/.docker/desktop/docker.sock"
    yield "unix:///run/podman/podman.sock"
    if hasattr(os, "getuid"):  # su, sudo and cron set no XDG_RUNTIME_DIR
        yield f"unix:///run/user/{os.getuid()}/docker.sock"
        yield f"unix:///run/user/{os.getuid()}/podman/podman.sock"


def _answers(path: str) -> bool:
    """Return whether an engine answers a ping at a socket."""
    try:
        with socket_class()(socket.AF_UNIX) as connection:
            connection.settimeout(_SECONDS)
            connection.connect(path)
            connection.sendall(
                b"GET /_ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )
            return connection.recv(64).startswith((b"HTTP/1.1 200", b"HTTP/1.0 200"))
    except Exception as error:  # OSError; AttributeError on Windows; pytest-socket's
        if ends_run(error):
            raise
        return False
