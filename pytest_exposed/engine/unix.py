"""Requests over unix sockets, without what requests and urllib3 do for the web.

Proxies, cookies and redirects add nothing there, and take longer than an engine does to answer.
The connections are those of the SDK's pool.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from http.client import HTTPConnection
from typing import Any, NamedTuple

import requests
from requests.structures import CaseInsensitiveDict

from pytest_exposed.engine.answer import MOST_VALUES, Bounds

_AT_ONCE = 4
"""Requests that wait for their answers together: more of them are not answered sooner."""


class Plain(NamedTuple):
    """A request without parameters and body, as requests prepares others."""

    method: str
    url: str
    path_url: str
    headers: Mapping[str, str | bytes]
    body: None = None


def send(
    pool: Any, prepared: requests.PreparedRequest | Plain, *, timeout: float
) -> requests.Response:
    """Return the head of an answer, as an adapter of requests does; raises OSError, HTTPException.

    Its connection goes back to the pool when the answer is closed.
    """
    connection = _ask(pool, prepared, timeout)
    try:
        raw: Any = HTTPConnection.getresponse(connection)
    except BaseException:
        connection.close()
        raise
    raw.release_conn = partial(_release, pool, connection, raw)
    response = requests.Response()
    response.status_code = raw.status
    response.reason = raw.reason
    response.headers = CaseInsensitiveDict(raw.headers.items())
    response.url = prepared.url or ""
    response.raw = raw
    return response


def read(pool: Any, wanted: Iterable[Plain], bounds: Bounds, timeout: float) -> Iterator[Any]:
    """Yield the JSON of each answer; a request is sent before those before it are answered.

    To wait for each takes as long as the engine needs to answer. None stands for one that is not
    taken: who asks for it alone learns why. Raises TimeoutError.
    """
    asked: deque[Any] = deque()

    def receive() -> Any:
        bounds.wait = timeout
        bounds.deadline = time.monotonic() + timeout
        connection = asked.popleft()
        return _json(pool, connection) if connection is not None else None

    try:
        for one in wanted:
            if len(asked) == _AT_ONCE:
                yield receive()
            try:
                asked.append(_ask(pool, one, timeout))
            except ConnectionError:
                asked.append(None)
        while asked:
            yield receive()
    finally:
        bounds.answer = None
        for connection in asked:
            if connection is not None:
                connection.close()


def _ask(pool: Any, prepared: requests.PreparedRequest | Plain, timeout: float) -> Any:
    """Return a connection on which an answer is to be received."""
    connection = pool._get_conn()  # noqa: SLF001  # as all that share the pool take them
    try:
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        HTTPConnection.request(
            connection, prepared.method or "", prepared.path_url, prepared.body, prepared.headers
        )
    except BaseException:
        connection.close()
        raise
    return connection


def _json(pool: Any, connection: Any) -> Any:
    """Return the JSON of the answer on a connection; None where it is not taken."""
    found = None
    try:
        answer: Any = HTTPConnection.getresponse(connection)
        is_plain = answer.status == 200 and "Content-Encoding" not in answer.headers
        body = answer.read() if is_plain else b""
        if body and not answer.length and body.count(b",") <= MOST_VALUES:
            found = json.loads(body)
    except TimeoutError:
        raise
    except Exception:  # noqa: BLE001, S110  # http.client's, json's, OSError, AnswerError
        pass
    finally:
        if found is None:
            connection.close()
        pool._put_conn(connection)  # noqa: SLF001
    return found


def _release(pool: Any, connection: Any, raw: Any) -> None:
    # One that was read to its end is at its end, but nobody has closed it.
    if raw.closed or not raw.isclosed():
        connection.close()
    pool._put_conn(connection)  # noqa: SLF001
