"""HTTP/1.1: writes the head of a request, and reads the answer strictly.

http.client would do the same, but its import takes a sixth of an audit: it imports email and ssl.
Formats: RFC 9110 and RFC 9112.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pytest_exposed.engine.transport.wire import LIMIT, AnswerError, ClosedError, Wire

_SWITCHES = 101
_WITHOUT_BODY = (_SWITCHES, 204, 304)
_MOST_HEADERS = 100


class Response:
    """An answer. The head is read at creation, the body on demand."""

    def __init__(self, wire: Wire, method: str) -> None:
        """Read the head of the answer to a request; raises AnswerError, ClosedError and OSError."""
        self.wire = wire
        self._version, self.status, self.reason = _status(wire)
        self.headers = _headers(wire)
        """By name, in lower case; the first value of a repeated header."""
        while self.status < 200 and self.status != _SWITCHES:  # an interim answer
            self._version, self.status, self.reason = _status(wire)
            self.headers = _headers(wire)
        self._is_empty = method in ("HEAD", "CONNECT") or self.status in _WITHOUT_BODY
        self.is_chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        self.length = None if self.is_chunked else self._length()
        """Bytes of the body; None if it ends with the connection."""

    @property
    def keeps_open(self) -> bool:
        """Whether the connection can take another request after the body."""
        words = self.headers.get("connection", "").lower()
        persists = "close" not in words if self._version == b"1.1" else "keep-alive" in words
        return persists and (self.is_chunked or self.length is not None)

    def _length(self) -> int | None:
        if self._is_empty:
            return 0
        text = self.headers.get("content-length")
        if text is not None and not re.fullmatch("[0-9]{1,20}", text):
            raise strange(f"its length is {text!r}")
        return int(text) if text is not None else None

    def body(self) -> bytes:
        """Return the whole body; raises AnswerError if it is cut off."""
        if self._is_empty:
            return b""
        if self.is_chunked:
            return b"".join(self.chunks())
        pieces, left = [], self.length
        while left is None or left > 0:
            piece = self.wire.take(LIMIT if left is None else left)
            if not piece:
                break
            pieces.append(piece)
            left = None if left is None else left - len(piece)
        if left:
            raise strange(f"it ended {left} bytes too soon")
        return b"".join(pieces)

    def chunks(self) -> Iterator[bytes]:
        """Yield the chunks of a chunked body as they arrive."""
        while left := self._chunk_size():
            while left:
                piece = self.wire.take(left)
                if not piece:
                    raise strange("it ended in a chunk")
                left -= len(piece)
                yield piece
            if self.wire.line().strip():
                raise strange("a chunk is longer than it says")
        while self.wire.line().strip():  # trailers
            pass

    def _chunk_size(self) -> int:
        text = self.wire.line().partition(b";")[0].strip()
        if not re.fullmatch(b"[0-9A-Fa-f]{1,16}", text):
            raise strange(f"a chunk has the size {text[:80]!r}")
        return int(text, 16)


def _status(wire: Wire) -> tuple[bytes, int, str]:
    line = wire.line()
    if not line:
        raise ClosedError
    match = re.fullmatch(rb"HTTP/(1\.[01]) ([1-9][0-9]{2})(?: (.*?))?\r?\n", line, re.DOTALL)
    if match is None:
        raise strange(f"it begins with {line[:80]!r}")
    return match[1], int(match[2]), (match[3] or b"").decode("latin-1")


def _headers(wire: Wire) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for _ in range(_MOST_HEADERS):
        line = wire.line()
        if not line.endswith(b"\n"):
            raise strange("it ended in its head")
        if not line.strip():
            return found
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise strange(f"it has the header {line[:80]!r}")
        found.setdefault(name.lower(), value.strip())
    raise strange(f"it has over {_MOST_HEADERS} headers")


def strange(why: str) -> AnswerError:
    """Return the error for an answer that no engine sends."""
    return AnswerError(f"no engine sends such an answer: is this its address? ({why})")


def head(method: str, url: str, headers: Mapping[str, str], text: bytes | None) -> bytes:
    """Return the head of a request; raises ValueError for an invalid header or URL.

    text is the body, or None.
    """
    length = {} if text is None and method != "POST" else {"Content-Length": str(len(text or b""))}
    fields = {**headers, **length}
    lines = [f"{method} {url} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    wrong = next((x for x in lines if re.search(r"[\r\n\0]", x)), None)
    if wrong is not None or " " in url:
        raise ValueError("a header or the address has a character that none can have")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
