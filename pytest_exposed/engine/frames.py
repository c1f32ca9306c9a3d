"""The stream of a command in a container: frames of an 8-byte header and a body, read in time.

Format: "Stream format" of the Engine API, POST /containers/{id}/attach: byte 0 is 0 for standard
input, 1 for output, 2 for errors; bytes 4 to 7 the body's length, big-endian.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from typing import Any

from pytest_exposed.errors import ObservationError

STDIN, STDOUT, STDERR = 0, 1, 2
_HEADER = struct.Struct(">BxxxL")
_LONGEST = 1 << 20


def output(stream: Any, deadline: float) -> Iterator[bytes]:
    """Yield what a command writes to its standard output until its stream ends.

    stream is the socket that the docker SDK gives. Its own timeouts don't cover such streams, and
    one for each read would let a slow drip last for ever: the deadline, of time.monotonic(), is for
    all of it. Raises ObservationError where it passes, and for what are no frames.
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


def _receive(stream: Any, deadline: float) -> bytes:
    # A plain socket comes wrapped in a SocketIO, whose own timeout is that of the socket below.
    connection = getattr(stream, "_sock", stream)
    left = deadline - time.monotonic()
    try:
        connection.settimeout(max(left, 0.001))
        return bytes(connection.recv(65536))
    except TimeoutError:
        raise ObservationError(
            "it took too long; the process may still run in the container"
        ) from None
    except OSError as error:
        raise ObservationError(f"the stream of its output broke off: {error}") from None
