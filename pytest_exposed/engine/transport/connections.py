"""Connections to an engine: kept in pools of the SDK's and of requests, their answers bounded."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import requests

from pytest_exposed.engine.transport.answer import Answer, Bounds

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
        return pool


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
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(made.timeout)
        connection.connect(made.unix_socket)
    except BaseException:
        connection.close()
        raise
    made.sock = connection
