"""Requests over unix sockets, without what requests and urllib3 do for the web.

Proxies, cookies and redirects add nothing there, and take longer than an engine does to answer.
The connections are those of the SDK's pool.
"""

from __future__ import annotations

from functools import partial
from http.client import HTTPConnection
from typing import Any

import requests
from requests.structures import CaseInsensitiveDict


def send(pool: Any, prepared: requests.PreparedRequest, *, timeout: float) -> requests.Response:
    """Return the head of an answer, as an adapter of requests does; raises OSError, HTTPException.

    Its connection goes back to the pool when the answer is closed.
    """
    connection = pool._get_conn()  # noqa: SLF001  # as all that share the pool take them
    try:
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        HTTPConnection.request(
            connection, prepared.method or "", prepared.path_url, prepared.body, prepared.headers
        )
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
    response.request = prepared
    response.raw = raw
    return response


def _release(pool: Any, connection: Any, raw: Any) -> None:
    # One that was read to its end is at its end, but nobody has closed it.
    if raw.closed or not raw.isclosed():
        connection.close()
    pool._put_conn(connection)  # noqa: SLF001
