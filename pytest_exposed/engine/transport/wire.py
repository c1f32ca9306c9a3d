"""A connection to an engine, each answer bounded as a whole: in time and in size.

The timeout of a socket is for each wait alone: an engine that sends a byte now and then would hold
a run for ever, and one that never ends would eat its memory.
"""

from __future__ import annotations

import io
import os
import socket
from contextlib import suppress
from typing import Any

from pytest_exposed.unpatched import is_green_socket, monotonic, thread_id

LIMIT = 64 << 20
"""Bytes of one answer, its headers included. `GET /containers/json` has 1.2 KB for a container,
some 4 KB with the labels of Compose or Kubernetes: 64 MB are a list of over 15,000."""


class AnswerError(Exception):
    """An answer that is not accepted; the text says why."""


class SshError(ConnectionError):
    """The ssh program, which brought no answer: why."""


class Wire:
    """What http.client uses as its socket: an engine's connection, until the deadline of a call."""

    def __init__(self, connection: Any) -> None:
        """Wrap a connected socket, or what has a socket's methods."""
        self._connection = connection
        self.owner = (os.getpid(), thread_id())
        """The process and the thread that made it."""
        self._users = 1
        self.reader: io.BufferedReader
        """Receives what comes, until it is closed."""
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

    def receive_into(self, buffer: Any) -> int:
        """Fill a buffer with what comes next, and return how much; 0 is the end."""
        self._connection.settimeout(self._seconds())
        count = int(self._connection.recv_into(buffer))
        self._left -= count
        if self._left < 0:
            raise AnswerError(f"it answered with over {LIMIT} bytes, which no engine does")
        return count

    def _seconds(self) -> float:
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError("the answer did not come to its end in time")
        return min(left, self._wait)

    def makefile(self, _: str) -> io.BufferedReader:
        """Return what an answer is read from; the connection is open at least as long."""
        self._users += 1
        self.reader = io.BufferedReader(_Reader(self), 65536)
        return self.reader

    def close(self) -> None:
        """Close the connection as soon as nobody reads from it any more."""
        self._users -= 1
        if self._users == 0:
            self._end()

    def _end(self) -> None:
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


class _Reader(io.RawIOBase):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._wire.receive_into(buffer)

    def close(self) -> None:
        if not self.closed:
            self._wire.close()
        super().close()
