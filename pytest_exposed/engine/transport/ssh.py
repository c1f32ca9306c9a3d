"""An engine at the other end of the ssh program, with all that OpenSSH can be told.

The SDK's own ssh:// knows neither keys nor jumps but those of ~/.ssh/config. Like the docker
command this runs `docker system dial-stdio` over there, which passes on to its engine.
"""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from http.client import HTTPException
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any
from weakref import finalize

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection

from pytest_exposed.engine.transport.cause import SshError
from pytest_exposed.text import printable

if TYPE_CHECKING:
    from pytest_exposed.engine.hosts import Host

_END = 5.0
"""Seconds in which ssh ends once its connection has."""


class Adapter(HTTPAdapter):
    """What requests sends through: connections that are ssh processes."""

    def __init__(self, host: Host, timeout: float) -> None:
        """Prepare to reach a host; timeout, in seconds, is what ssh has to connect."""
        super().__init__()
        # ssh takes the first value of an option: those given come before ours.
        *given, destination = host.ssh
        options = ["-o", "BatchMode=yes", *given, "-o", f"ConnectTimeout={max(1, int(timeout))}"]
        # ssh joins words by blanks, and the shell over there splits them.
        engine = ["-H", shlex.quote(host.docker_host)] if host.docker_host else []
        there = ["docker", *engine, "system", "dial-stdio"]
        command = [host.program, *options, "--", destination, *there]
        self._new_pool = partial(
            _Pool, "localhost", timeout=timeout, maxsize=10, command=command, hint=host.hint
        )
        self._pool = self._new_pool()

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        """Return the one pool, whatever the address."""
        return self._pool

    get_connection = get_connection_with_tls_context  # before requests 2.32

    def request_url(self, request: Any, _: Any) -> str:
        """Return the path alone: no proxy of the environment is asked."""
        return str(request.path_url)

    def close(self) -> None:
        """End all ssh processes that are at rest."""
        super().close()
        self._pool.close()
        self._pool = self._new_pool()  # for a thread that is still to remove what it made


class _Connection(HTTPConnection):
    """One ssh process, which has an end of a pair of sockets as its input and output."""

    def __init__(
        self, *arguments: Any, command: Sequence[str], hint: str = "", **rest: Any
    ) -> None:
        super().__init__(*arguments, **rest)
        self._command = command
        self._hint = f"; {hint}" if hint else ""
        self._process: subprocess.Popen[bytes] | None = None
        self._is_asked = False

    def connect(self) -> None:
        """Start ssh; whether it gets anywhere shows when an answer is waited for."""
        ours, theirs = socket.socketpair()
        self._told = TemporaryFile()  # noqa: SIM115  # closed with the connection
        with theirs:
            try:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=self._told,
                    start_new_session=True,  # no terminal to ask at; Ctrl-C is for the caller
                )
            except OSError as error:
                ours.close()
                self._told.close()
                program = printable(self._command[0])
                raise SshError(f"{program} can't be run: {error.strerror}") from None
        # Where the process ends while a thread still waits for an answer, nobody closes it.
        finalize(self, self._process.terminate)
        ours.settimeout(self.timeout if isinstance(self.timeout, (int, float)) else None)
        self.sock = ours

    def getresponse(self) -> Any:
        """Return the answer; where ssh has ended without one, raise what it said."""
        self._is_asked = True
        try:
            return super().getresponse()
        except TimeoutError:
            raise
        except (OSError, HTTPException):
            if (why := self._why_ended()) is None:
                raise
        finally:
            self._is_asked = False
        raise SshError(f"{why}; it must work without asking for anything{self._hint}")

    def _why_ended(self) -> str | None:
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END)
        if not self._process.returncode:
            return None
        self._told.seek(0)
        lines = self._told.read(65536).decode(errors="backslashreplace").split("\n")
        # Who logs in is never shown.
        said = [printable(re.sub(r"[^\s@]+@", "", x.strip())) for x in lines if x.strip()]
        return f"ssh ended with status {self._process.returncode}: {said[-1] if said else '-'}"

    def close(self) -> None:
        """Close the connection and end its process."""
        super().close()
        # The base class closes where no answer comes, before it is known why.
        if self._process is not None and not self._is_asked:
            self._process.terminate()
            try:
                self._process.wait(_END)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._told.close()
            self._process = None


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection
