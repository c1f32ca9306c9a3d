"""A docker engine for the demo and the tests: the one that answers, or a throwaway one."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from docker.context import ContextAPI
from docker.errors import DockerException

from demo.packages import NotInstalled, cannot_install
from demo.throwaway import EngineMissing, connect, silence, throwaway

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["EngineMissing", "connect", "engine"]


@contextmanager
def engine() -> Iterator[str]:
    """Yield the URL of a docker engine that answers.

    It is the engine the docker CLI would use: DOCKER_HOST, DOCKER_CONTEXT, the current context,
    the default socket. Where that one does not answer, a throwaway engine is started (root on
    Debian or Ubuntu; what is missing is installed with apt-get) and removed again afterwards,
    with all its containers, images and networks. One at a time lives on a machine:
    another caller shares it, and the one that started it waits until it is used no more.

    Raises EngineMissing where the engine named by DOCKER_HOST or DOCKER_CONTEXT does not answer,
    and where none answers and none can be started.
    """
    host, cause = _current_host()
    cause = cause or silence(host)
    if cause is None:
        yield host
        return

    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        if value := os.environ.get(name):
            raise EngineMissing(
                f"the docker engine of {name}={value} does not answer: {cause}. "
                f"Start it, or unset {name} to use another one."
            ) from cause
    if obstacle := cannot_install():
        raise EngineMissing(
            f"no docker engine answers at {host}: {cause}. A throwaway engine can't be started: "
            f"{obstacle}. Start Docker, or set DOCKER_HOST to an engine you can use."
        ) from cause

    with ExitStack() as stack:
        try:
            host = stack.enter_context(_shared_throwaway())
        except NotInstalled as error:
            raise EngineMissing(
                f"no docker engine answers at {host}: {cause}. A throwaway engine can't be "
                f"started: {error}"
            ) from error
        yield host


def _current_host() -> tuple[str, Exception | None]:
    """Return the engine's URL as the docker CLI would choose it, or why there is none."""
    if host := os.environ.get("DOCKER_HOST"):
        return host, None
    name = os.environ.get("DOCKER_CONTEXT")
    try:
        context = ContextAPI.get_context(name)
    except DockerException as error:
        return "the current context", error
    if context is None:
        # The SDK goes on with the default socket, which is not what was asked for.
        return "the current context", DockerException(
            f"docker has no context {name or 'of its name'}"
        )
    return str(context.Host), None


@contextmanager
def _shared_throwaway() -> Iterator[str]:
    """Yield the URL of the machine's throwaway engine, started where there is none.

    Two would get in each other's way: containers on the host's network and published ports.
    """
    place = Path(tempfile.gettempdir()) / f"pytest-exposed-engine-{os.getuid()}"
    # Whoever starts the engine holds the first alone; whoever uses it shares the second, which
    # has its address.
    with _opened(place.with_suffix(".lock")) as owner, _opened(place.with_suffix(".url")) as users:
        while not _lock(owner, fcntl.LOCK_EX):
            if _lock(users, fcntl.LOCK_SH):
                host = os.pread(users, 4096, 0).decode()
                if host and silence(host) is None:
                    print(f"sharing the throwaway docker engine at {host}", flush=True)
                    yield host
                    return
                fcntl.flock(users, fcntl.LOCK_UN)
            time.sleep(0.2)  # it starts, or ends
        os.truncate(users, 0)  # the address of one that was killed
        with throwaway() as engine:
            os.pwrite(users, engine.url.encode(), 0)
            try:
                yield engine.url
            finally:
                os.truncate(users, 0)
                if not _lock(users, fcntl.LOCK_EX):
                    print("waiting for others that use the throwaway engine", flush=True)
                    fcntl.flock(users, fcntl.LOCK_EX)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, how: int) -> bool:
    """Lock a file if that can be done at once."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
