"""A connection to an engine that bounds each answer as a whole, in time and size.

A socket's timeout only bounds each wait: an engine that drips bytes would hold a run for ever, and
an endless answer would fill its memory.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Any

from pytest_exposed.unpatched import is_green, monotonic, thread_id

LIMIT = 64 << 20
"""Bytes of one answer with its headers. A container takes 1.2 KB in `GET /containers/json`, some
4 KB with labels of Compose or Kubernetes: 64 MB hold over 15,000 of them."""

_LONGEST_LINE = 65536
_AT_ONCE = 65536
"""Bytes per receive."""


class AnswerError(Exception):
    """An answer is not accepted; the text says why."""


class SshError(ConnectionError):
    """The ssh program failed; the text says why."""


class ClosedError(ConnectionResetError):
    """The connection was closed before an answer began."""


class Wire:
    """A connection to an engine, with a deadline for each answer."""

    def __init__(self, connection: Any) -> None:
        """Wrap a connected socket, or an object with a socket's methods."""
        self._connection = connection
        self.owner = (os.getpid(), thread_id())
        """The process and thread that created it."""
        self._buffer, self._place = b"", 0
        self.allow(0, 0)

    def allow(self, deadline: float, wait: float) -> None:
        """Allow the next answer until deadline, by monotonic, with pauses of wait seconds."""
        self._deadline = deadline
        self._wait = wait
        self._left = LIMIT

    def sendall(self, data: bytes) -> None:
        """Send all of data; raises OSError, or TimeoutError after the deadline."""
        self._connection.settimeout(self._seconds())
        self._connection.sendall(data)

    def take(self, most: int) -> bytes:
        """Return the next bytes, at most `most` of them; empty at the end."""
        if self._place == len(self._buffer):
            self._buffer, self._place = self.receive(), 0
        begin, self._place = self._place, min(self._place + most, len(self._buffer))
        return self._buffer[begin : self._place]

    def line(self) -> bytes:
        """Return the next line with its line end, which is missing at the end of everything."""
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
        """Return the next received bytes, empty at the end."""
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
        self._connection.close()

    def shut_down(self) -> None:
        """Wake any thread that waits for this connection."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def is_at_rest(self) -> bool:
        """Return whether it can take another request: it is open, and no bytes came unasked.

        With TLS and ssh the latter can't be seen: these send bytes of their own.
        """
        process, thread = self.owner
        if self._place < len(self._buffer):
            return False
        # After a fork both processes share it, and would read each other's answers. A socket of
        # gevent or eventlet belongs to a loop, and so to one thread.
        if process != os.getpid() or (thread != thread_id() and is_green(type(self._connection))):
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
