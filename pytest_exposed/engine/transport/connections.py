"""Connections to an engine: kept in pools of the SDK's and of requests, their answers bounded."""

from __future__ import annotations

import socket
import weakref
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import Empty, Full
from typing import Any

import requests

from pytest_exposed.engine.transport.answer import Answer, Bounds
from pytest_exposed.unpatched import socket_class

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
        return pool


class _Resting:
    """The connections of a pool that are at rest, as a LifoQueue has them, but without its lock.

    What a signal handler raises, as that of pytest-timeout, can leave a lock held for good: the
    next call would wait without end. A deque does what it does at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._connections: deque[Any] = deque()

    def get(self, block: bool = False, timeout: float | None = None) -> Any:  # noqa: ARG002  # LifoQueue's
        try:
            return self._connections.pop()
        except IndexError:
            raise Empty from None

    def put(self, connection: Any, block: bool = False) -> None:  # noqa: ARG002  # LifoQueue's
        if len(self._connections) >= self._most:
            raise Full
        self._connections.append(connection)

    def qsize(self) -> int:
        return len(self._connections)

    def close(self) -> None:
        while self._connections:
            connection = self._connections.pop()
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
