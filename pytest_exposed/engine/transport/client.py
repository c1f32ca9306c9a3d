"""A client of one engine's HTTP API: requests, answers and streams, over any kind of connection."""

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
from pytest_exposed.engine.transport.http import Response
from pytest_exposed.engine.transport.wire import LIMIT, AnswerError
from pytest_exposed.text import printable
from pytest_exposed.unpatched import monotonic

if TYPE_CHECKING:
    from pytest_exposed.engine.hosts import Host

MOST_VALUES = 4_000_000
"""Commas in the JSON of one answer: as Python objects a value takes some 100 bytes, whereas a text
may have one in each two bytes. A container has about 100 in the list, 8 for each published port."""

_OLDEST = 24
"""The oldest version of the API that is understood: 1.24, as by the docker command."""

_MOST_AT_REST = 10
_REPEATABLE = ("GET", "HEAD", "DELETE")
_REDIRECTS = (301, 302, 303, 307, 308)
_WITHOUT_VERSION = ("/_ping", "/version", "/v")
_UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}


class StatusError(Exception):
    """An answer that is an error of the engine: its status and its text."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Answer(NamedTuple):
    """An answer that came whole and in time."""

    headers: Mapping[str, str]
    """By their names in small letters."""
    body: bytes

    def json(self) -> Any:
        """Return what JSON the body is; raises AnswerError, ValueError, RecursionError."""
        if self.body.count(b",") > MOST_VALUES:
            raise AnswerError(f"it answered with over {MOST_VALUES} values, which no engine does")
        return json.loads(self.body.decode())


class Client:
    """The connections to one engine, each kept for the next request; for several threads."""

    def __init__(self, host: Host, timeout: float, headers: Mapping[str, str]) -> None:
        """Prepare to connect; timeout, in seconds, is for each answer as a whole.

        headers are sent with each request. Raises OSError for TLS files that can't be used.
        """
        self.timeout = timeout
        self.is_podman = False
        """Whether the engine said that it is podman, as it does with every answer."""
        self.server = ""
        """What the engine calls itself, the header Server of its answer to a ping."""
        self._route = Route(host, timeout)
        self._headers = {
            "Host": self._route.name,
            "User-Agent": "pytest-exposed",
            "Accept-Encoding": "identity",
            **headers,
        }
        self._version = ""
        self._closed = False
        # A deque does what it does at once, and has no lock. What a signal handler raises, as that
        # of pytest-timeout, could leave a lock held for good.
        self._at_rest: deque[Connection] = deque()
        weakref.finalize(self, _close_all, self._at_rest)

    def close(self) -> None:
        """Close all connections at rest; others are closed when their answers have come."""
        self._closed = True
        _close_all(self._at_rest)

    def agree(self, preferred: str) -> bool:
        """Speak the newest version of the API that the engine tells with a ping; false for none.

        preferred is the version of DOCKER_API_VERSION, for an engine that tells none. Docker's own
        client asks so (client/ping.go of moby). For GET /version an engine starts `runc --version`
        and `docker-init --version`: that takes longer than all else that an audit asks.
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
        """Speak the newest version of the API that the engine tells where it is asked for it."""
        try:
            found = self.request("GET", "/version").json()
        except StatusError as error:
            raise AnswerError(error.reason) from None
        version = found.get("ApiVersion") if isinstance(found, dict) else None
        if not isinstance(version, str):
            raise AnswerError(
                "no engine sends such an answer: is this its address? (it names no version)"
            )
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
        """Return a whole answer; path has {} for each name, body is sent as JSON.

        It may take seconds as a whole, and wait without a byte: the timeout, unless given. Raises
        StatusError for an error of the engine, AnswerError for what is not accepted, OSError
        (ClosedError and SshError among them) for a connection that failed.
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
        """Return the stream that a POST becomes; raises as request does."""
        url, text = self._url(path, names, params), _json(body)
        limits = self.timeout, self.timeout
        connection, response = self._ask("POST", url, text, _UPGRADE, limits)
        if response.status < 400:
            return EngineStream(connection, response)
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

        What changes nothing is asked again where a connection at rest has ended: the engine, or a
        proxy before it, was about to end it. What would is sent on a new one.
        """
        deadline = monotonic() + limits[0]
        is_direct = headers is _UPGRADE  # as the docker command's: no proxy passes a stream on
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
        """Return a connection at rest that another request can be sent on."""
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
    """Raise AnswerError for an answer whose body is not to be read: of another form or place."""
    place, coding = response.headers.get("location"), response.headers.get("content-encoding")
    if response.status in _REDIRECTS and place is not None:
        raise AnswerError(f"it answered with a redirect, which is not followed, to {place!r}")
    # What is small here can be endless there, and nobody asked for it.
    if coding not in (None, "identity"):
        raise AnswerError(f"it answered in the encoding {coding!r}, which was not asked for")
    if (response.length or 0) > LIMIT:
        raise AnswerError(f"it answered with over {LIMIT} bytes, which no engine does")


def _reason(text: bytes) -> str:
    """Return what an engine says of an error: {"message": …}, or any text of a proxy."""
    try:
        found = json.loads(text)
        message = found["message"]
    except (ValueError, RecursionError, LookupError, TypeError):
        message = None
    return message if isinstance(message, str) else text[:65536].decode(errors="replace").strip()
