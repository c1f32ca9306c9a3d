"""A connection to an engine, reused for further requests, or upgraded to a stream."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_exposed.engine.transport.dial import Dial
from pytest_exposed.engine.transport.http import Response, head
from pytest_exposed.engine.transport.wire import LIMIT, Wire
from pytest_exposed.unpatched import monotonic


class Connection:
    """A connection, made with its first request."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._wire: Wire | None = None

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        text: bytes | None,
        limits: tuple[float, float],
    ) -> Response:
        """Send a request; return its answer after reading the head; raises as Response does.

        limits are the deadline of the whole answer, by monotonic, and the seconds of a pause in it.
        """
        deadline, wait = limits
        begin = head(method, url, headers, text)
        if self._wire is None:
            self._wire = self._dial(max(0.001, min(deadline - monotonic(), wait)))
        self._wire.allow(deadline, wait)
        self._wire.sendall(begin + (text or b""))
        return Response(self._wire, method)

    def is_at_rest(self) -> bool:
        """Return whether it is idle and can take another request."""
        return self._wire is not None and self._wire.is_at_rest()

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()


class EngineStream:
    """A connection to an engine that was upgraded to a stream (HTTP 101)."""

    def __init__(self, response: Response) -> None:
        self._wire = response.wire
        # A proxy may send an engine's plain stream in chunks.
        self._chunks = response.chunks() if response.is_chunked else None

    def receive(self, seconds: float) -> bytes:
        """Return the next bytes, empty at the end; raises TimeoutError after seconds, OSError."""
        self._wire.allow(monotonic() + seconds, seconds)
        return self._wire.take(LIMIT) if self._chunks is None else next(self._chunks, b"")

    def send(self, data: bytes, seconds: float) -> None:
        """Send data; raises OSError."""
        self._wire.allow(monotonic() + seconds, seconds)
        self._wire.sendall(data)

    def end(self) -> None:
        """Make a receive in another thread return."""
        self._wire.shut_down()

    def close(self) -> None:
        self._wire.close()
