"""HTTP/1.1 on one connection to an engine: a request, its answer, the stream that it can become.

http.client does the same, and takes a sixth of an audit to import: with it come email and ssl.
Formats: RFC 9110 and RFC 9112.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pytest_exposed.engine.transport.wire import LIMIT, AnswerError, ClosedError
from pytest_exposed.unpatched import monotonic

if TYPE_CHECKING:
    from pytest_exposed.engine.transport.wire import Dial, Wire

_SWITCHES = 101
_WITHOUT_BODY = (_SWITCHES, 204, 304)
_MOST_HEADERS = 100


class Response:
    """An answer: its head is read when it is made, its body when it is asked for."""

    def __init__(self, wire: Wire, method: str) -> None:
        """Read the head of the answer to a request; raises AnswerError, ClosedError and OSError."""
        self._wire = wire
        self._version, self.status, self.reason = _status(wire)
        self.headers = _headers(wire)
        """By their names in small letters; of one that occurs twice, the first."""
        while self.status < 200 and self.status != _SWITCHES:  # an answer is still to come
            self._version, self.status, self.reason = _status(wire)
            self.headers = _headers(wire)
        self._is_empty = method in ("HEAD", "CONNECT") or self.status in _WITHOUT_BODY
        self.is_chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        self.length = None if self.is_chunked else self._length()
        """Bytes of the body; None where its end tells it."""

    @property
    def keeps_open(self) -> bool:
        """Whether another request can be sent when the body has been read."""
        words = self.headers.get("connection", "").lower()
        persists = "close" not in words if self._version == b"1.1" else "keep-alive" in words
        return persists and (self.is_chunked or self.length is not None)

    def _length(self) -> int | None:
        if self._is_empty:
            return 0
        text = self.headers.get("content-length")
        if text is not None and not re.fullmatch("[0-9]{1,20}", text):
            raise _strange(f"its length is {text!r}")
        return int(text) if text is not None else None

    def body(self) -> bytes:
        """Return the whole body; raises AnswerError where it ends too soon."""
        if self._is_empty:
            return b""
        if self.is_chunked:
            return b"".join(self.chunks())
        pieces, left = [], self.length
        while left is None or left > 0:
            piece = self._wire.take(LIMIT if left is None else left)
            if not piece:
                break
            pieces.append(piece)
            left = None if left is None else left - len(piece)
        if left:
            raise _strange(f"it ended {left} bytes too soon")
        return b"".join(pieces)

    def chunks(self) -> Iterator[bytes]:
        """Yield a body that is cut into chunks, as it comes."""
        while left := self._chunk_size():
            while left:
                piece = self._wire.take(left)
                if not piece:
                    raise _strange("it ended in a chunk")
                left -= len(piece)
                yield piece
            if self._wire.line().strip():
                raise _strange("a chunk is longer than it says")
        while self._wire.line().strip():  # trailers
            pass

    def _chunk_size(self) -> int:
        text = self._wire.line().partition(b";")[0].strip()
        if not re.fullmatch(b"[0-9A-Fa-f]{1,16}", text):
            raise _strange(f"a chunk has the size {text[:80]!r}")
        return int(text, 16)


def _status(wire: Wire) -> tuple[bytes, int, str]:
    line = wire.line()
    if not line:
        raise ClosedError
    match = re.fullmatch(rb"HTTP/(1\.[01]) ([1-9][0-9]{2})(?: (.*?))?\r?\n", line, re.DOTALL)
    if match is None:
        raise _strange(f"it begins with {line[:80]!r}")
    return match[1], int(match[2]), (match[3] or b"").decode("latin-1")


def _headers(wire: Wire) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for _ in range(_MOST_HEADERS):
        line = wire.line()
        if not line.endswith(b"\n"):
            raise _strange("it ended in its head")
        if not line.strip():
            return found
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise _strange(f"it has the header {line[:80]!r}")
        found.setdefault(name.lower(), value.strip())
    raise _strange(f"it has over {_MOST_HEADERS} headers")


def _strange(why: str) -> AnswerError:
    return AnswerError(f"no engine answers so: is this its address? ({why})")


def head(method: str, url: str, headers: Mapping[str, str], text: bytes | None) -> bytes:
    """Return what a request begins with; ValueError for a header or an address that can't be one.

    text is the body; None for none.
    """
    length = {} if text is None and method != "POST" else {"Content-Length": str(len(text or b""))}
    fields = {**headers, **length}
    lines = [f"{method} {url} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    wrong = next((x for x in lines if re.search(r"[\r\n\0]", x)), None)
    if wrong is not None or " " in url:
        raise ValueError("a header or the address has a character that none can have")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


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
