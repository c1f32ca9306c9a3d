"""Requests over unix sockets, without what requests and urllib3 do for the web.

Proxies, cookies and redirects add nothing there, and take longer than an engine does to answer.
The connections are those of the SDK's pool.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from http.client import HTTPConnection
from itertools import islice
from typing import Any, NamedTuple

import requests
from requests.structures import CaseInsensitiveDict

from pytest_exposed.engine.transport.answer import MOST_VALUES, Bounds
from pytest_exposed.errors import ends_run
from pytest_exposed.unpatched import monotonic

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
    taken: who asks for it alone learns why. Ends with the first that doesn't come in time.
    """
    asked: deque[Any] = deque()
    wanted = iter(wanted)
    try:
        while True:
            for one in islice(wanted, _AT_ONCE - len(asked)):
                asked.append(_asked(pool, one, timeout))
            if not asked:
                return
            bounds.wait, bounds.deadline = timeout, monotonic() + timeout
            connection = asked.popleft()
            yield _json(pool, connection) if connection is not None else None
    except TimeoutError:
        return
    finally:
        bounds.answer = None
        for connection in asked:
            if connection is not None:
                connection.close()


def _asked(pool: Any, one: Plain, timeout: float) -> Any:
    """Return a connection on which an answer is to be received, or None."""
    try:
        return _ask(pool, one, timeout)
    except TimeoutError:
        raise
    except OSError:  # one that was at rest has ended, or there are too many of them
        return None


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
    is_whole = False
    try:
        answer: Any = HTTPConnection.getresponse(connection)
        body = answer.read()
        is_whole = not answer.length
        coding = answer.headers.get("Content-Encoding", "identity")
        if answer.status == 200 and coding == "identity" and body.count(b",") <= MOST_VALUES:
            return json.loads(body.decode()) if is_whole else None
    except TimeoutError:
        raise
    except Exception as error:  # http.client's, json's, OSError, AnswerError
        if ends_run(error):
            raise
    finally:
        if is_whole:
            pool._put_conn(connection)  # noqa: SLF001
        else:
            connection.close()
    return None


def _release(pool: Any, connection: Any, raw: Any) -> None:
    # One that was read to its end is at its end, but nobody has closed it.
    if raw.closed or not raw.isclosed():
        connection.close()
    pool._put_conn(connection)  # noqa: SLF001
