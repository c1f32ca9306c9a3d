"""Connections to an engine: kept in pools of the SDK's and of requests, their answers bounded."""

from __future__ import annotations

import os
import socket
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty, Full
from typing import Any

import requests

from pytest_exposed.engine.transport.answer import Answer, Bounds
from pytest_exposed.unpatched import is_green_socket, socket_class, thread_id

# By what requests' adapters find connections, since requests 2.32 and before.
FIND = next(
    x
    for x in ("get_connection_with_tls_context", "get_connection")
    if hasattr(requests.adapters.HTTPAdapter, x)
)


class Pool:
    """Finds the pool of connections for a request, one that makes them bounded."""

    def __init__(self, find: Callable[..., Any], bounds: Bounds) -> None:
        self._find = find
        self._bounds = bounds

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        pool = self._find(*arguments, **options)
        # What pools of all kinds make a connection by: urllib3's, and the SDK's of unix and ssh.
        if not isinstance(pool._new_conn, _Maker):  # noqa: SLF001
            pool._new_conn = _Maker(pool._new_conn, self._bounds)  # noqa: SLF001
            pool.pool = resting = _Resting(pool.pool.maxsize)
            weakref.finalize(pool, resting.close)  # as urllib3 does with its own
            if hasattr(pool, "socket_path"):
                pool._get_conn = partial(_take, weakref.ref(pool))  # noqa: SLF001
        return pool


class _Resting:
    """The connections of a pool that are at rest, as a LifoQueue has them, but without its lock.

    What a signal handler raises, as that of pytest-timeout, can leave a lock held for good: the
    next call would wait without end. A deque does what it does at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._connections: deque[tuple[int, int, Any]] = deque()
        """Each with the process and the thread that gave it back."""

    def get(self, block: bool = False, timeout: float | None = None) -> Any:  # noqa: ARG002  # LifoQueue's
        while self._connections:
            with suppress(IndexError):  # another thread has taken the last one
                process, thread, connection = self._connections.pop()
                green = is_green_socket(getattr(connection, "sock", None))
                # After a fork both processes have it, and each would read the other's answers.
                if process == os.getpid() and (thread == thread_id() or not green):
                    return connection
                connection.close()
        raise Empty

    def put(self, connection: Any, block: bool = False) -> None:  # noqa: ARG002  # LifoQueue's
        if len(self._connections) >= self._most:
            raise Full
        self._connections.append((os.getpid(), thread_id(), connection))

    def qsize(self) -> int:
        return len(self._connections)

    def close(self) -> None:
        while self._connections:
            _, _, connection = self._connections.pop()
            if connection is not None:
                connection.close()


class _Maker:
    """Makes connections whose answers are bounded."""

    def __init__(self, make: Callable[[], Any], bounds: Bounds) -> None:
        self._make = make
        self._bounds = bounds

    def __call__(self) -> Any:
        made = self._make()
        self._bounds.is_new = True
        made.response_class = partial(Answer, self._bounds)
        if hasattr(made, "unix_socket"):
            made.connect = partial(_connect_unix, made)
        return made


def _connect_unix(made: Any) -> None:
    """Connect as the SDK does, but leave no socket open where that fails."""
    # A green one could not be used by two threads of the kernel, and audits have several.
    connection = socket_class()(socket.AF_UNIX)
    try:
        connection.settimeout(made.timeout)
        connection.connect(made.unix_socket)
    except BaseException:
        connection.close()
        raise
    made.sock = connection


def _take(of: Callable[[], Any], timeout: float | None = None) -> Any:  # noqa: ARG001  # urllib3's
    """Return a connection of a pool to a unix socket: one at rest that has not ended, or a new one.

    urllib3 asks select.poll, which eventlet removes in the middle of a run.
    """
    pool = of()
    resting = pool.pool
    if resting is None:
        raise OSError("its connections were closed")
    with suppress(Empty):
        while True:
            connection = resting.get()
            if connection is None:
                break
            if connection.sock is None or _is_at_rest(connection.sock):
                return connection
            connection.close()
    return pool._new_conn()  # noqa: SLF001


def _is_at_rest(connection: socket.socket) -> bool:
    """Return whether a connection is open, and nothing has come that nobody asked for."""
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
