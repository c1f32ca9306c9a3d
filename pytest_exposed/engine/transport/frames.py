"""Reads the stream of a command in a container: frames of an 8-byte header and a body.

Format: "Stream format" of the Engine API, POST /containers/{id}/attach: byte 0 is 0 for standard
input, 1 for output, 2 for errors; bytes 4 to 7 the body's length, big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Protocol

from pytest_exposed.errors import ObservationError
from pytest_exposed.unpatched import monotonic

STDIN, STDOUT, STDERR = 0, 1, 2
_HEADER = struct.Struct(">BxxxL")
_LONGEST = 1 << 20
LIMIT = 64 << 20
"""Bytes of a command's output: some 400,000 rows of tables."""


class LateError(ObservationError):
    """The stream did not end before its deadline."""


class Stream(Protocol):
    """A source of bytes."""

    def receive(self, seconds: float) -> bytes:
        """Return the next bytes, empty at the end; raises TimeoutError after seconds, OSError."""


def output(stream: Stream, deadline: float, ahead: bytearray | None = None) -> Iterator[bytes]:
    """Yield a command's standard output until its stream ends.

    ahead keeps received bytes of further frames, for a stream that is read again later. deadline,
    by unpatched.monotonic(), bounds the whole stream: a timeout per read would let a slow drip
    last for ever. Raises LateError after the deadline, ObservationError for malformed frames.
    """
    buffer = bytearray() if ahead is None else ahead
    while True:
        while len(buffer) >= _HEADER.size:
            kind, length = _HEADER.unpack_from(buffer)
            if kind not in (STDIN, STDOUT, STDERR) or length > _LONGEST:
                raise ObservationError("the engine's stream of its output is broken")
            if len(buffer) < _HEADER.size + length:
                break
            body = bytes(buffer[_HEADER.size : _HEADER.size + length])
            del buffer[: _HEADER.size + length]  # first: the caller may stop at this frame
            if kind == STDOUT:
                yield body
        received = _receive(stream, deadline)
        if not received:
            break
        buffer += received
    if buffer:
        raise ObservationError("the engine's stream of its output ends in the middle")


def _receive(stream: Stream, deadline: float) -> bytes:
    left = deadline - monotonic()
    try:
        if left > 0:
            return stream.receive(left)
    except TimeoutError:
        pass
    except OSError as error:
        raise ObservationError(f"the stream of its output broke off: {error}") from None
    raise LateError("it took too long")


def text_of(log: bytes) -> bytes:
    """Return the output in a container's log; with a terminal, the log has no frames."""
    found, place = bytearray(), 0
    while place < len(log):
        if len(log) - place < _HEADER.size or log[place + 1 : place + 4] != b"\0\0\0":
            return log
        kind, length = _HEADER.unpack_from(log, place)
        place += _HEADER.size + length
        if kind not in (STDIN, STDOUT, STDERR) or place > len(log):
            return log
        found += log[place - length : place]
    return bytes(found)


def gather(chunks: Iterator[bytes], deadline: float, who: str, end: bytes = b"") -> bytes:
    """Return all chunks as one text, or the chunks up to the end mark, if one is given.

    Raises ObservationError for more than LIMIT bytes, LateError after the deadline.
    """
    text = bytearray()
    for chunk in chunks:
        text += chunk
        if len(text) > LIMIT:
            raise ObservationError(f"{who} wrote over {LIMIT} bytes")
        if monotonic() > deadline:
            raise LateError(f"{who} took too long")
        if end and text.endswith(end):
            break
    return bytes(text)
