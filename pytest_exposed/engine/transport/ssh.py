"""An engine at the other end of the ssh program, with all that OpenSSH can be configured to do.

Like the docker command this runs `docker system dial-stdio` over there, which passes on to its
engine.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from tempfile import TemporaryFile
from weakref import finalize

from pytest_exposed.engine.transport.wire import SshError, Wire
from pytest_exposed.text import printable

_END = 5.0
"""Seconds in which ssh ends once its connection has."""


class SshWire(Wire):
    """One ssh process, which has an end of a pair of sockets as its input and output."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start ssh; whether it gets anywhere shows when an answer is waited for."""
        ours, theirs = socket.socketpair()
        self._errors = TemporaryFile()  # noqa: SIM115  # closed with the connection
        with theirs:
            try:
                self.process = subprocess.Popen(
                    command,
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=self._errors,
                    start_new_session=True,  # no terminal to ask at; Ctrl-C is for the caller
                )
            except OSError as error:
                ours.close()
                self._errors.close()
                program = printable(command[0])
                raise SshError(f"{program} can't be run: {error.strerror}") from None
        # Where the process ends while a thread still waits for an answer, nobody closes it.
        finalize(self, _terminate, self.process, os.getpid())
        finalize(self, ours.close)
        finalize(self, self._errors.close)
        super().__init__(ours)

    def sendall(self, data: bytes) -> None:
        """Send all of data; raises SshError where ssh has ended with an error."""
        try:
            super().sendall(data)
        except ConnectionError:
            self._expect_none()
            raise

    def receive(self) -> bytes:
        """Return what comes next; raises SshError where ssh has ended with an error."""
        try:
            data = super().receive()
        except ConnectionError:
            self._expect_none()
            raise
        if not data:
            self._expect_none()
        return data

    def _expect_none(self) -> None:
        """Raise SshError with what ssh said where it ended with an error."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_END)
        if not self.process.returncode:
            return
        self._errors.seek(0)
        lines = self._errors.read(65536).decode(errors="backslashreplace").split("\n")
        # Who logs in is never shown.
        said = [printable(re.sub(r"[^\s@]+@", "", x.strip())) for x in lines if x.strip()]
        raise SshError(
            f"ssh ended with status {self.process.returncode}: {said[-1] if said else '-'}"
        )

    def close(self) -> None:
        """Close the connection, and end ssh."""
        super().close()
        self._errors.close()
        _terminate(self.process, self.owner[0])


def _terminate(process: subprocess.Popen[bytes], owner: int) -> None:
    """End a process, but not that of the parent in a process that was forked."""
    if owner != os.getpid():
        return
    process.terminate()
    try:
        process.wait(_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
