"""One connection to an engine, kept for the next request, and the stream that it can become."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_exposed.engine.transport.dial import Dial
from pytest_exposed.engine.transport.http import Response, head
from pytest_exposed.engine.transport.wire import LIMIT, Wire
from pytest_exposed.unpatched import monotonic


class Connection:
    """One connection, made when a request is sent."""

    def __init__(self, dial: Dial) -> None:
        """Take what connects."""
        self._dial = dial
        self._wire: Wire | None = None

    @property
    def wire(self) -> Wire:
        """What a request was sent by."""
        assert self._wire is not None
        return self._wire

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        text: bytes | None,
        limits: tuple[float, float],
    ) -> Response:
        """Send a request, and return its answer when its head has come; raises as Response does.

        limits are until when, by monotonic, the answer may take as a whole, and the seconds without
        a byte.
        """
        deadline, wait = limits
        begin = head(method, url, headers, text)
        if self._wire is None:
            self._wire = self._dial(max(0.001, min(deadline - monotonic(), wait)))
        self._wire.allow(deadline, wait)
        self._wire.sendall(begin + (text or b""))
        return Response(self._wire, method)

    def is_at_rest(self) -> bool:
        """Return whether another request can be sent."""
        return self._wire is not None and self._wire.is_at_rest()

    def close(self) -> None:
        """Close it, if it was made."""
        if self._wire is not None:
            self._wire.close()


class EngineStream:
    """The connection to an engine that has become a stream (HTTP 101)."""

    def __init__(self, connection: Connection, response: Response) -> None:
        """Take over the answer that it begins with."""
        self._connection = connection
        self._wire = connection.wire
        # A proxy may cut into chunks what an engine writes as it is.
        self._chunks = response.chunks() if response.is_chunked else None

    def receive(self, seconds: float) -> bytes:
        """Return the next bytes, none at the end; raises TimeoutError after seconds, OSError."""
        self._wire.allow(monotonic() + seconds, seconds)
        return self._wire.take(LIMIT) if self._chunks is None else next(self._chunks, b"")

    def send(self, data: bytes, seconds: float) -> None:
        """Send to the other end; raises OSError."""
        self._wire.allow(monotonic() + seconds, seconds)
        self._wire.sendall(data)

    def end(self) -> None:
        """Let whoever receives in another thread come to the end."""
        self._wire.shut_down()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
