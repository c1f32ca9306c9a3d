"""One connection of http.client to an engine, and the stream that it can become."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPResponse
from typing import Any

from pytest_exposed.engine.transport.dial import Dial
from pytest_exposed.engine.transport.wire import Wire
from pytest_exposed.unpatched import monotonic


class EngineStream:
    """The connection to an engine that has become a stream (HTTP 101)."""

    def __init__(self, connection: Connection, response: HTTPResponse) -> None:
        """Take over the answer that it begins with."""
        self._connection = connection
        self._response = response
        self._wire = connection.wire

    def receive(self, seconds: float) -> bytes:
        """Return the next bytes, none at the end; raises TimeoutError after seconds, OSError."""
        self._wire.allow(monotonic() + seconds, seconds)
        # A proxy may cut into chunks what an engine writes as it is.
        return self._response.read1() if self._response.chunked else self._wire.reader.read1()

    def send(self, data: bytes, seconds: float) -> None:
        """Send to the other end; raises OSError."""
        self._wire.allow(monotonic() + seconds, seconds)
        self._wire.sendall(data)

    def end(self) -> None:
        """Let whoever receives in another thread come to the end."""
        self._wire.shut_down()

    def close(self) -> None:
        """Close the connection."""
        self._response.close()
        self._connection.close()


class Connection(HTTPConnection):
    """One connection, made when a request is sent."""

    wire: Wire

    def __init__(self, dial: Dial) -> None:
        super().__init__("localhost")
        self._dial = dial
        self._limits = (0.0, 0.0)

    def allow(self, deadline: float, wait: float) -> None:
        """Let the next answer come until a deadline: see Wire."""
        self._limits = (deadline, wait)
        if self.sock is not None:
            self.wire.allow(deadline, wait)

    def connect(self) -> None:
        deadline, wait = self._limits
        self.wire = self._dial(max(0.001, min(deadline - monotonic(), wait)))
        self.sock: Any = self.wire
        self.wire.allow(deadline, wait)

    def is_at_rest(self) -> bool:
        return self.sock is not None and self.wire.is_at_rest()
