"""A connection to an engine, each answer bounded as a whole: in time and in size.

The timeout of a socket is for each wait alone: an engine that sends a byte now and then would hold
a run for ever, and one that never ends would eat its memory.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Any

from pytest_exposed.unpatched import is_green_socket, monotonic, thread_id

LIMIT = 64 << 20
"""Bytes of one answer, its headers included. `GET /containers/json` has 1.2 KB for a container,
some 4 KB with the labels of Compose or Kubernetes: 64 MB are a list of over 15,000."""

_LONGEST_LINE = 65536
_AT_ONCE = 65536
"""Bytes that are received at once."""


class AnswerError(Exception):
    """An answer that is not accepted; the text says why."""


class SshError(ConnectionError):
    """The ssh program, which brought no answer: why."""


class ClosedError(ConnectionResetError):
    """A connection that was closed where an answer was to begin."""


class Wire:
    """An engine's connection: bytes sent, and received until the deadline of a call."""

    def __init__(self, connection: Any) -> None:
        """Wrap a connected socket, or what has a socket's methods."""
        self._connection = connection
        self.owner = (os.getpid(), thread_id())
        """The process and the thread that made it."""
        self._buffer, self._place = b"", 0
        self.allow(0, 0)

    def allow(self, deadline: float, wait: float) -> None:
        """Let the next answer come until deadline, by monotonic, and wait no longer for a byte."""
        self._deadline = deadline
        self._wait = wait
        self._left = LIMIT

    def sendall(self, data: bytes) -> None:
        """Send all of data; raises OSError, TimeoutError after the deadline."""
        self._connection.settimeout(self._seconds())
        self._connection.sendall(data)

    def take(self, most: int) -> bytes:
        """Return what comes next, at most so many bytes; nothing at the end."""
        if self._place == len(self._buffer):
            self._buffer, self._place = self.receive(), 0
        begin, self._place = self._place, min(self._place + most, len(self._buffer))
        return self._buffer[begin : self._place]

    def line(self) -> bytes:
        """Return the next line with its end, which is missing where everything ends before."""
        found = b""
        while not found.endswith(b"\n"):
            if self._place == len(self._buffer):
                self._buffer, self._place = self.receive(), 0
            rest = self._buffer.find(b"\n", self._place) + 1 - self._place
            piece = self.take(rest if rest > 0 else len(self._buffer))
            found += piece
            if len(found) > _LONGEST_LINE:
                raise AnswerError(f"it answered with a line of over {_LONGEST_LINE} bytes")
            if not piece:
                break
        return found

    def receive(self) -> bytes:
        """Return what the connection brings next, nothing at its end."""
        self._connection.settimeout(self._seconds())
        data: bytes = self._connection.recv(_AT_ONCE)
        self._left -= len(data)
        if self._left < 0:
            raise AnswerError(f"it answered with over {LIMIT} bytes, which no engine does")
        return data

    def _seconds(self) -> float:
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError("the answer did not come to its end in time")
        return min(left, self._wait)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def shut_down(self) -> None:
        """End whatever waits for this connection in another thread."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def is_at_rest(self) -> bool:
        """Return whether another request can be sent: it is open, and nothing came unasked.

        Of TLS and ssh that can't be seen: bytes that come may be their own.
        """
        process, thread = self.owner
        if self._place < len(self._buffer):
            return False
        # After a fork both processes have it, and each would read the other's answers.
        if process != os.getpid() or (thread != thread_id() and is_green_socket(self._connection)):
            return False
        if not isinstance(self._connection, socket.socket) or hasattr(self._connection, "pending"):
            return True
        self._connection.setblocking(False)
        try:
            self._connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False
