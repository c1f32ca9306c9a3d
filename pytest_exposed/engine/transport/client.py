"""A client of one engine's HTTP API: requests, answers and streams over any connection."""

from __future__ import annotations

import json
import re
import weakref
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

from pytest_exposed.engine.transport.connection import Connection, EngineStream
from pytest_exposed.engine.transport.dial import Route
from pytest_exposed.engine.transport.http import Response, strange
from pytest_exposed.engine.transport.wire import LIMIT, AnswerError
from pytest_exposed.text import printable
from pytest_exposed.unpatched import monotonic

if TYPE_CHECKING:
    from pytest_exposed.engine.hosts import Host

MOST_VALUES = 4_000_000
"""Commas in the JSON of one answer. A value takes some 100 bytes as a Python object, but as little
as two in the text. In the list a container has about 100, and 8 for each published port."""

_OLDEST = 24
"""The oldest supported version of the API: 1.24, as for the docker command."""

_MOST_AT_REST = 10
_REPEATABLE = ("GET", "HEAD", "DELETE")
_REDIRECTS = (301, 302, 303, 307, 308)
_WITHOUT_VERSION = ("/_ping", "/version", "/v")
_UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}


class StatusError(Exception):
    """The engine answered with an error: its status and text."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Answer(NamedTuple):
    """A complete answer."""

    headers: Mapping[str, str]
    """By name, in lower case."""
    body: bytes

    def json(self) -> Any:
        """Return the body's JSON value; raises AnswerError, ValueError, RecursionError."""
        if self.body.count(b",") > MOST_VALUES:
            raise AnswerError(f"it answered with over {MOST_VALUES} values, which no engine does")
        return json.loads(self.body.decode())


class Client:
    """The connections to one engine, reused for further requests; safe for several threads."""

    def __init__(self, host: Host, timeout: float, headers: Mapping[str, str]) -> None:
        """Prepare to connect; timeout, in seconds, bounds each answer as a whole.

        headers are sent with each request. Raises OSError for unusable TLS files.
        """
        self.timeout = timeout
        self.is_podman = False
        """Whether the engine is podman, as the headers of all its answers say."""
        self.server = ""
        """The engine's name: the header Server of its answer to a ping."""
        self._route = Route(host, timeout)
        self._headers = {
            "Host": self._route.name,
            "User-Agent": "pytest-exposed",
            "Accept-Encoding": "identity",
            **headers,
        }
        self._version = ""
        self._closed = False
        # A deque's methods are atomic without a lock. An exception of a signal handler, such as
        # pytest-timeout's, could leave a lock held for ever.
        self._at_rest: deque[Connection] = deque()
        weakref.finalize(self, _close_all, self._at_rest)

    def close(self) -> None:
        """Close all idle connections; the others close after their answers."""
        self._closed = True
        _close_all(self._at_rest)

    def agree(self, preferred: str) -> bool:
        """Use the API version in the engine's answer to a ping; return false if it has none.

        preferred is the version of DOCKER_API_VERSION, for an engine without one in its answer.
        Docker's own client does the same (client/ping.go of moby). GET /version would take longer
        than all other requests of an audit: the engine runs `runc --version` and
        `docker-init --version` for it.
        """
        version = preferred.removeprefix("v")
        with suppress(StatusError):
            headers = self.request("GET", "/_ping").headers
            self.server = headers.get("server") or ""
            version = headers.get("api-version") or version
        if not _is_understood(version):
            return False
        self._version = f"/v{version}"
        return True

    def agree_by_version(self) -> None:
        """Use the API version in the engine's answer to GET /version."""
        try:
            found = self.request("GET", "/version").json()
        except StatusError as error:
            raise AnswerError(error.reason) from None
        version = found.get("ApiVersion") if isinstance(found, dict) else None
        if not isinstance(version, str):
            raise strange("it names no version")
        if not _is_understood(version):
            raise AnswerError(
                f"it speaks version {printable(version, 40)} of the API, and 1.{_OLDEST} is "
                "the oldest that this plugin speaks"
            )
        self._version = f"/v{version}"

    def request(
        self,
        method: str,
        path: str,
        *names: str,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
        wait: float | None = None,
    ) -> Answer:
        """Return a complete answer; path has {} for each of names, body is sent as JSON.

        seconds bound the whole answer, wait each pause in it; both default to the timeout. Raises
        StatusError for an error of the engine, AnswerError for an answer that is not accepted,
        OSError (such as ClosedError and SshError) for a failed connection.
        """
        url, text = self._url(path, names, params), _json(body)
        limits = seconds or self.timeout, wait or seconds or self.timeout
        connection, response = self._ask(method, url, text, headers or {}, limits)
        is_whole = False
        try:
            text = response.body()
            is_whole = True
        finally:
            self._release(connection, keep=is_whole and response.keeps_open)
        if response.status >= 400:
            raise StatusError(response.status, _reason(text) or response.reason)
        return Answer(response.headers, text)

    def upgrade(
        self,
        path: str,
        *names: str,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
    ) -> EngineStream:
        """Return the stream that a POST request is upgraded to; raises as request does."""
        url, text = self._url(path, names, params), _json(body)
        limits = self.timeout, self.timeout
        connection, response = self._ask("POST", url, text, _UPGRADE, limits)
        if response.status < 400:
            return EngineStream(response)
        try:
            raise StatusError(response.status, _reason(response.body()) or response.reason)
        finally:
            connection.close()

    def _url(self, path: str, names: tuple[str, ...], params: Mapping[str, Any] | None) -> str:
        version = "" if path.startswith(_WITHOUT_VERSION) else self._version
        query = f"?{urlencode(params)}" if params else ""
        quoted = (quote(x, safe="/:") for x in names)
        return f"{self._route.prefix}{version}{path.format(*quoted)}{query}"

    def _ask(
        self,
        method: str,
        url: str,
        text: bytes | None,
        headers: Mapping[str, str],
        limits: tuple[float, float],
    ) -> tuple[Connection, Response]:
        """Send a request; return its connection and the head of the answer.

        The engine or a proxy may close an idle connection at any moment. So a GET is repeated on
        another connection, and a request that changes something is sent on a new one.
        """
        deadline = monotonic() + limits[0]
        is_direct = headers is _UPGRADE  # like the docker command's: proxies pass no streams on
        sent = {**self._headers, **({} if is_direct else self._route.headers), **headers}
        if text is not None:
            sent["Content-Type"] = "application/json"
        while True:
            known = self._resting() if method in _REPEATABLE else None
            connection = known or Connection(self._route.direct if is_direct else self._route.dial)
            try:
                origin = "" if is_direct else self._route.origin
                until = deadline, limits[1]
                response = connection.ask(method, origin + url, sent, text, until)
                _check_head(response)
            except BaseException as error:
                connection.close()
                is_over = not isinstance(error, ConnectionError) or monotonic() >= deadline
                if known is None or is_over:
                    raise
            else:
                self.is_podman = self.is_podman or "libpod-api-version" in response.headers
                return connection, response

    def _resting(self) -> Connection | None:
        """Return an idle connection that can take another request, or None."""
        while True:
            try:
                connection = self._at_rest.pop()
            except IndexError:
                return None
            if connection.is_at_rest():
                return connection
            connection.close()

    def _release(self, connection: Connection, *, keep: bool) -> None:
        if not keep or self._closed or len(self._at_rest) >= _MOST_AT_REST:
            connection.close()
        else:
            self._at_rest.append(connection)


def _close_all(connections: deque[Connection]) -> None:
    while connections:
        connections.pop().close()


def _json(body: Any) -> bytes | None:
    return json.dumps(body).encode() if body is not None else None


def _is_understood(version: str) -> bool:
    found = re.fullmatch(r"1\.([0-9]{1,4})", version, re.ASCII)
    return found is not None and int(found[1]) >= _OLDEST


def _check_head(response: Response) -> None:
    """Raise AnswerError for a redirect, an encoded or a long body, before the body is read."""
    place, coding = response.headers.get("location"), response.headers.get("content-encoding")
    if response.status in _REDIRECTS and place is not None:
        raise AnswerError(f"it answered with a redirect, which is not followed, to {place!r}")
    # A small compressed body can be endless, and we didn't ask for compression.
    if coding not in (None, "identity"):
        raise AnswerError(f"it answered in the encoding {coding!r}, which was not asked for")
    if (response.length or 0) > LIMIT:
        raise AnswerError(f"it answered with over {LIMIT} bytes, which no engine does")


def _reason(text: bytes) -> str:
    """Return an error's text: the engine's {"message": …}, or any text of a proxy."""
    try:
        found = json.loads(text)
        message = found["message"]
    except (ValueError, RecursionError, LookupError, TypeError):
        message = None
    return message if isinstance(message, str) else text[:65536].decode(errors="replace").strip()
