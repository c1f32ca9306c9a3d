"""The stream of a command in a container: frames of an 8-byte header and a body, read in time.

Format: "Stream format" of the Engine API, POST /containers/{id}/attach: byte 0 is 0 for standard
input, 1 for output, 2 for errors; bytes 4 to 7 the body's length, big-endian.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Protocol

from pytest_exposed.errors import ObservationError

STDIN, STDOUT, STDERR = 0, 1, 2
_HEADER = struct.Struct(">BxxxL")
_LONGEST = 1 << 20
_CHUNK = 65536


class LateError(ObservationError):
    """A stream that did not end before its deadline."""


class Stream(Protocol):
    """Where bytes come from."""

    def receive(self, seconds: float) -> bytes:
        """Return the next bytes, none at the end; raises TimeoutError after seconds, OSError."""


class EngineStream:
    """The connection to an engine that has become a stream (HTTP 101)."""

    def __init__(self, found: Any) -> None:
        """Take what the docker SDK returns as the socket of one."""
        self._response = found._response  # noqa: SLF001  # it offers no other way to close it
        # A plain socket comes wrapped in a SocketIO; TLS and ssh have theirs as it is.
        self._connection = getattr(found, "_sock", found)
        # The headers were read through this; what came along with them is still in there.
        self._file = self._response.raw._fp.fp  # noqa: SLF001  # likewise

    def receive(self, seconds: float) -> bytes:
        """Return the next bytes, none at the end; raises TimeoutError after seconds, OSError."""
        self._connection.settimeout(seconds)
        if hasattr(self._file, "read1"):
            return bytes(self._file.read1(_CHUNK))
        held = len(self._file._rbuffer)  # noqa: SLF001  # paramiko's file, which has no read1
        return bytes(self._file.read(held) if held else self._connection.recv(_CHUNK))

    def end(self) -> None:
        """Let whoever receives in another thread come to the end."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        self._response.close()


def output(stream: Stream, deadline: float) -> Iterator[bytes]:
    """Yield what a command writes to its standard output until its stream ends.

    The SDK's own timeouts don't cover such streams, and one for each read would let a slow drip
    last for ever: the deadline, of time.monotonic(), is for all of it. Raises LateError where it
    passes, ObservationError for what are no frames.
    """
    buffer = bytearray()
    while True:
        while len(buffer) >= _HEADER.size:
            kind, length = _HEADER.unpack_from(buffer)
            if kind not in (STDIN, STDOUT, STDERR) or length > _LONGEST:
                raise ObservationError("the engine's stream of its output is broken")
            if len(buffer) < _HEADER.size + length:
                break
            if kind == STDOUT:
                yield bytes(buffer[_HEADER.size : _HEADER.size + length])
            del buffer[: _HEADER.size + length]
        received = _receive(stream, deadline)
        if not received:
            break
        buffer += received
    if buffer:
        raise ObservationError("the engine's stream of its output ends in the middle")


def _receive(stream: Stream, deadline: float) -> bytes:
    left = deadline - time.monotonic()
    try:
        if left > 0:
            return stream.receive(left)
    except TimeoutError:
        pass
    except OSError as error:
        raise ObservationError(f"the stream of its output broke off: {error}") from None
    raise LateError("it took too long")
