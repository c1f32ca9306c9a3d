"""Calls of the engine's HTTP API, each failure one clear error."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pytest_exposed.engine import docker_config
from pytest_exposed.engine.hosts import DEFAULT_SOCKET, Host
from pytest_exposed.engine.json_fields import JsonObject
from pytest_exposed.engine.transport.cause import cause
from pytest_exposed.engine.transport.client import Answer, Client, StatusError
from pytest_exposed.engine.transport.connection import EngineStream
from pytest_exposed.errors import (
    ConfigurationError,
    EngineError,
    ExposedError,
    NotFoundError,
    ends_run,
)
from pytest_exposed.text import printable

_DAY = 86400.0


class Calls:
    """A connection to an engine. Every call raises EngineError where it fails."""

    def __init__(self, host: Host, timeout: float) -> None:
        """Connect to host; timeout, in seconds, bounds each answer as a whole."""
        if host.trouble:
            raise EngineError(host.trouble)
        self.host = host
        self._streams: set[EngineStream] = set()
        self._closed = self._answered = False
        preferred = os.environ.get("DOCKER_API_VERSION") or ""
        try:
            with self._calling("GET /_ping", first=True):
                self.client = Client(host, timeout, docker_config.headers())
                is_agreed = self.client.agree(preferred)
        except LostError as error:
            if host.url != DEFAULT_SOCKET:
                raise
            from pytest_exposed.engine import elsewhere  # noqa: PLC0415  # where none answers

            raise LostError(f"{error}{elsewhere.advice(host.url)}") from None
        self._answered = True
        if not is_agreed:
            with self._calling("GET /version"):
                self.client.agree_by_version()

    def close(self) -> None:
        """Close the connections; another thread may still remove what it made."""
        self._closed = True
        for stream in tuple(self._streams):
            stream.end()
        self.client.close()

    def ask(
        self,
        method: str,
        path: str,
        *names: str,
        named: bool = False,
        **content: Any,
    ) -> Answer:
        """Return an engine's answer; path has {} for each name, content is as of Client.request.

        named is for calls of one container or image, which can be missing: NotFoundError.
        """
        with self._calling(f"{method} {path.format(*names)}", named=named):
            return self.client.request(method, path, *names, **content)

    def json_object(
        self, method: str, path: str, *names: str, named: bool = False, **content: Any
    ) -> JsonObject:
        """Return the JSON object that a call answers."""
        found = self._json(method, path, *names, named=named, **content)
        if isinstance(found, dict):
            return found
        call = printable(f"{method} {path.format(*names)}")
        raise EngineError(f"{self.host.shown}: {call} answered what no engine does: no object")

    def json_objects(
        self, path: str, *names: str, named: bool = False, **content: Any
    ) -> list[JsonObject]:
        """Return the JSON objects that a GET answers."""
        found = self._json("GET", path, *names, named=named, **content)
        if isinstance(found, list) and all(isinstance(x, dict) for x in found):
            return found
        call = printable(f"GET {path.format(*names)}")
        raise EngineError(f"{self.host.shown}: {call} answered what no engine does: no objects")

    def _json(self, method: str, path: str, *names: str, named: bool, **content: Any) -> Any:
        with self._calling(f"{method} {path.format(*names)}", named=named):
            return self.client.request(method, path, *names, **content).json()

    @contextmanager
    def stream(self, path: str, *names: str, **content: Any) -> Iterator[EngineStream]:
        """Read a stream that a call begins, until the block or the connection ends.

        path has {} for each name; content is the call's params or body.
        """
        with self._calling(f"POST {path.format(*names)}"):
            stream = self.client.upgrade(path, *names, **content)
        self._streams.add(stream)
        try:
            yield stream
        finally:
            self._streams.discard(stream)
            stream.close()

    @contextmanager
    def _calling(self, call: str, *, named: bool = False, first: bool = False) -> Iterator[None]:
        """Turn what is raised in the block into an error of ours, with host and call.

        The first call says nothing to the user who can't reach the engine.
        """
        call = printable(call)
        if self._closed and not call.startswith("DELETE "):
            raise LostError(f"{self.host.shown}: {call}: its connections were closed")
        try:
            yield
        except StatusError as error:
            raise self._refusal(error, call, named=named) from None
        except Exception as error:  # json's, ssl's, OSError, AnswerError
            if ends_run(error):
                raise
            why = cause(error, self.host, answered=self._answered)
            place = self.host.shown if first else f"{self.host.shown}: {call}"
            raise LostError(f"{place}: {why}") from None

    def _refusal(self, error: StatusError, call: str, *, named: bool) -> ExposedError:
        reason = printable(_without_tags(error.reason))
        if named and error.status == 404:
            return NotFoundError(f"{self.host.shown}: {call}: {reason}")
        if error.status == 400:
            return RefusedError(self.host, call, reason, "was refused")
        if error.status in (401, 403, 405):
            return ForbiddenError(
                f"{self.host.shown}: {call} is not allowed, by a proxy before the engine or a "
                f"plugin of it: {reason}"
            )
        return FailedError(self.host, call, reason)


class LostError(EngineError):
    """The engine was not reached, or did not answer to the end."""


class ForbiddenError(EngineError):
    """The engine, or a proxy before it, does not allow a call: nothing was done."""


class FailedError(EngineError):
    """The engine answers that a call failed."""

    def __init__(self, host: Host, call: str, reason: str, how: str = "failed") -> None:
        super().__init__(f"{host.shown}: {call} {how}: {reason}")
        self.reason = reason


class RefusedError(FailedError):
    """The engine calls a request a bad one."""


def _without_tags(text: str) -> str:
    """Return a text; for a page of HTML, as proxies send, its words."""
    if not text.lstrip().startswith("<"):
        return text
    return " ".join(re.sub(r"<[^<>]{0,200}>", " ", text[:4096]).split())


def timeout_of(given: object = None) -> float:
    """Return the seconds that one answer may take; ConfigurationError for what is no such number.

    None is DOCKER_CLIENT_TIMEOUT, which Compose has, too, or 30.
    """
    name = "timeout"
    if given is None:
        name, given = "DOCKER_CLIENT_TIMEOUT", os.environ.get("DOCKER_CLIENT_TIMEOUT") or 30.0
    try:
        found = float(given) if isinstance(given, (int, float, str)) else 0
    except (ValueError, OverflowError):
        found = 0
    if not 0 < found <= _DAY:  # nan neither
        raise ConfigurationError(
            f"{name}={given!r} is not a number of seconds, above 0 and up to 86400"
        )
    return found
