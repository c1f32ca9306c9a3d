"""An engine's answer, bounded as a whole: in time from its first byte to its last, and in size.

The timeouts of sockets, and so of requests and the SDK, are for each wait alone: an engine that
sends a byte now and then would hold a run for ever, and one that never ends would eat its memory.
"""

from __future__ import annotations

import io
import socket
import threading
from contextlib import suppress
from http.client import HTTPResponse, IncompleteRead
from typing import Any

from pytest_exposed.unpatched import monotonic

LIMIT = 64 << 20
"""Bytes of one answer, its headers included. `GET /containers/json` has 1.2 KB for a container,
some 4 KB with the labels of Compose or Kubernetes: 64 MB are a list of over 15,000."""

MOST_VALUES = 4_000_000
"""Commas in the JSON of one answer: as Python objects a value takes some 100 bytes, whereas a text
may have one in each two bytes. A container has about 100 in the list, 8 for each published port."""


class AnswerError(Exception):
    """An answer that is not taken; the text says why."""


class Bounds(threading.local):
    """The bounds of the call that a thread makes, and the answer that came."""

    deadline = 0.0
    """By unpatched.monotonic()."""
    wait = 0.0
    """How many seconds may pass without anything."""
    is_new = False
    """Whether a connection was made for it, and not taken from those at rest."""
    answer: Answer | None = None


class Answer(HTTPResponse):
    """An HTTP answer of which nothing is waited for after the deadline of its call."""

    def __init__(self, bounds: Bounds, connection: Any, *arguments: Any, **options: Any) -> None:
        """Begin to receive from a connection: a socket, or what TLS, ssh and npipe have for one."""
        super().__init__(connection, *arguments, **options)
        self._wire = _Wire(connection, self.fp, bounds.deadline, bounds.wait)
        self.fp = io.BufferedReader(self._wire, 65536)
        bounds.answer = self

    def receive(self, seconds: float) -> bytes:
        """Return the next bytes of an answer that became a stream, of which there is no limit.

        None are its end. Raises TimeoutError after seconds, OSError.
        """
        self._wire.deadline = monotonic() + seconds
        self._wire.wait = seconds
        self._wire.left = LIMIT
        return self.fp.read1()

    def send(self, data: bytes, seconds: float) -> None:
        """Send to the other end of an answer that became a stream; raises OSError."""
        self._wire.connection.settimeout(seconds)
        self._wire.connection.sendall(data)

    def shut_down(self) -> None:
        """Let whoever receives in another thread come to the end."""
        with suppress(OSError):
            self._wire.connection.shutdown(socket.SHUT_RDWR)


class _Wire(io.RawIOBase):
    """What a connection receives."""

    def __init__(self, connection: Any, file: Any, deadline: float, wait: float) -> None:
        self.connection = connection
        self.deadline = deadline
        self.wait = wait
        self.left = LIMIT
        self._file = file  # while it is open, so is the socket
        # Paramiko's channels have no recv_into.
        self._into = getattr(connection, "recv_into", None)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        seconds = self.deadline - monotonic()
        if seconds <= 0:
            raise TimeoutError("the answer did not come to its end in time")
        self.connection.settimeout(min(seconds, self.wait))
        if self._into is not None:
            count = int(self._into(buffer))
        else:
            received = self.connection.recv(len(buffer))
            count = len(received)
            buffer[:count] = received
        self.left -= count
        if self.left < 0:
            raise AnswerError(f"it answered with over {LIMIT} bytes, which no engine does")
        return count

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def check_head(response: Any) -> None:
    """Raise AnswerError for an answer whose body is not to be read: of another form or place."""
    if response.is_redirect:
        place = str(response.headers.get("Location"))
        raise AnswerError(f"it answered with a redirect, which is not followed, to {place!r}")
    coding = response.headers.get("Content-Encoding", "identity")
    if coding != "identity":  # what is small here can be endless there, and nobody asked for it
        raise AnswerError(f"it answered in the encoding {coding!r}, which was not asked for")


def read_body(response: Any, answer: Answer) -> None:
    """Read the body into the response, where the SDK looks for it.

    Raises AnswerError, IncompleteRead and what else http.client or requests raise.
    """
    body = response.content
    if answer.length:  # http.client and older versions of urllib3 don't say so
        raise IncompleteRead(body, answer.length)
    if body.count(b",") > MOST_VALUES:
        raise AnswerError(f"it answered with over {MOST_VALUES} values, which no engine does")
