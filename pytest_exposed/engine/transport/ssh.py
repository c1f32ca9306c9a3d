"""Connects to an engine by the ssh program, so that all of the user's OpenSSH configuration counts.

Like the docker command, this runs `docker system dial-stdio` on the remote host, which forwards to
its engine.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from tempfile import TemporaryFile
from typing import Any
from weakref import finalize

from pytest_exposed.engine.transport.wire import SshError, Wire
from pytest_exposed.text import printable

if sys.platform == "linux":
    import resource

_MOST_WRITTEN = 64 << 20
"""Bytes of a file that ssh writes: its messages, or the keys of hosts."""

_END = 5.0
"""Seconds for ssh to end after its connection."""

_WARNINGS = {
    "REMOTE HOST IDENTIFICATION HAS CHANGED": "the host has another key than before",
    "UNPROTECTED PRIVATE KEY FILE": "others may read the key file, and ssh ignores it",
}
"""Warnings of ssh that its last line leaves out, and what they mean (sshconnect.c, authfile.c)."""


class _Process(subprocess.Popen[bytes]):
    """A process that ends where an interrupt meets its start: nobody else knows of it yet."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        try:
            super().__init__(*arguments, **options)
        except OSError:  # there is none
            raise
        except BaseException:
            if getattr(self, "pid", None) is not None:
                self.kill()
                self.wait()
            raise


class SshWire(Wire):
    """An ssh process; its input and output are one end of a pair of sockets."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start ssh; a failure shows when an answer is read."""
        ours, theirs = socket.socketpair()
        self._errors = TemporaryFile()  # noqa: SIM115  # closed with the connection
        with theirs:
            try:
                self.process = _Process(
                    command,
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=self._errors,
                    start_new_session=True,  # no prompts at the terminal; Ctrl-C is for the caller
                )
            except BaseException as error:
                ours.close()
                self._errors.close()
                if not isinstance(error, OSError):
                    raise
                program = printable(command[0])
                why = f"{error.strerror} (is OpenSSH's client installed?)"
                raise SshError(f"{program} can't be run: {why}") from None
        # If the process exits while a thread waits for an answer, nothing else closes it.
        finalize(self, _terminate, self.process, os.getpid())
        finalize(self, ours.close)
        finalize(self, self._errors.close)
        _bound_files_of(self.process)  # an interrupt in it finds all of this
        super().__init__(ours)

    def sendall(self, data: bytes) -> None:
        """Send all of data; raises SshError if ssh has failed."""
        try:
            super().sendall(data)
        except ConnectionError:
            self._expect_none()
            raise

    def receive(self) -> bytes:
        """Return the next bytes; raises SshError if ssh has failed."""
        try:
            data = super().receive()
        except ConnectionError:
            self._expect_none()
            raise
        if not data:
            self._expect_none()
        return data

    def _expect_none(self) -> None:
        """Raise SshError with ssh's message if it has failed."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_END)
        if not self.process.returncode:
            return
        self._errors.seek(0)
        lines = self._errors.read(65536).decode(errors="backslashreplace").split("\n")
        # The user's name is never shown.
        said = [printable(re.sub(r"[^\s@]+@", "", x.strip())) for x in lines if x.strip()]
        last = said[-1] if said else "-"
        warned = [why for words, why in _WARNINGS.items() if any(words in x for x in said)]
        raise SshError(
            f"ssh ended with status {self.process.returncode}: {'; '.join((last, *warned))}"
        )

    def close(self) -> None:
        """Close the connection, and end ssh."""
        super().close()
        self._errors.close()
        _terminate(self.process, self.owner[0])


def _bound_files_of(process: subprocess.Popen[bytes]) -> None:
    """Bound the files that a process writes: a host can make ssh say any amount."""
    if sys.platform == "linux":
        with suppress(OSError, ValueError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (_MOST_WRITTEN, _MOST_WRITTEN))


def _terminate(process: subprocess.Popen[bytes], owner: int) -> None:
    """Terminate a process, unless it belongs to the parent of a forked process."""
    if owner != os.getpid():
        return
    if process.returncode is None and hasattr(os, "killpg"):
        with suppress(OSError):  # what it has started, such as a ProxyCommand, ends with it
            os.killpg(process.pid, signal.SIGTERM)
    process.terminate()
    try:
        process.wait(_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
