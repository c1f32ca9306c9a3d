"""A relay before an engine's socket: what goes wrong on the way to an engine, at will."""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self  # typing's came with Python 3.11

_REQUEST = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE) [^ \r\n]+(?= HTTP/1\.1\r\n)")

Meddle = Callable[[socket.socket], None]
"""What is done to a client instead of passing its request on; its connection ends with it."""


class Relay:
    """Passes on what clients and an engine say to each other; a context manager that ends it.

    What it does to a request is what `meddle` returns for its line, such as
    "GET /v1.41/containers/json": None for passing it on, or one of the methods below.
    """

    def __init__(self, engine: str) -> None:
        """Prepare a relay to the engine of a unix:// address."""
        self._engine = engine.removeprefix("unix://")
        # In the folders of pytest's tests its path would be too long for a socket.
        self._folder = tempfile.mkdtemp(prefix="pe-relay-")
        self.path = os.path.join(self._folder, "relay.sock")
        self.url = f"unix://{self.path}"
        self.requests: list[str] = []
        """The lines of all requests so far."""
        self.accepted = 0
        """How many connections were made so far."""
        self.meddle: Callable[[str], Meddle | None] = lambda _: None
        self.serial = False
        """Whether it serves one connection at a time, as simple proxies do."""
        self.gathering = 0.0
        """For how many seconds what the engine says is held back, to be passed on at once."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        os.chmod(self._folder, 0o711)  # noqa: S103  # for ordinary users, too
        self._listener.bind(self.path)
        os.chmod(self.path, 0o666)  # noqa: S103
        self._listener.listen()
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for thread in self._threads:
            thread.join(10)
        shutil.rmtree(self._folder)

    def stop(self) -> None:
        """End as an engine ends: all its connections end, and none can be made any more."""
        self._ended.set()
        # To close it would not wake the thread that waits for it.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with suppress(FileNotFoundError):
            os.unlink(self.path)
        self.end_connections()

    def end_connections(self) -> None:
        """End all connections, as an engine does with those that were at rest for long."""
        for connection in list(self._connections):
            _shut(connection)

    def end(self, _: socket.socket) -> None:
        """Meddle: the engine ends in this moment."""
        self.stop()

    def hold(self, _: socket.socket) -> None:
        """Meddle: no answer comes, until the relay ends."""
        self._ended.wait()

    def answer_and_hold(self, text: bytes) -> Meddle:
        """Meddle: these bytes are the answer, and the connection stays."""

        def meddle(client: socket.socket) -> None:
            client.sendall(text)
            self.hold(client)

        return meddle

    @staticmethod
    def answer(text: bytes) -> Meddle:
        """Meddle: these bytes are the answer."""
        return lambda client: client.sendall(text)

    def _start(self, work: Callable[..., None], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            thread = self._start(self._serve, client)
            if self.serial:
                thread.join()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as engine:
            self._connections |= {client, engine}
            back = None
            try:
                engine.connect(self._engine)
                back = self._start(self._pass_back, engine, client)
                self._pass_on(client, engine)
                back.join()  # the client may still listen to the answer
            except OSError:  # one of them is gone
                pass
            finally:
                _shut(client)
                _shut(engine)
                if back is not None:
                    back.join()
                self._connections -= {client, engine}

    def _pass_on(self, client: socket.socket, engine: socket.socket) -> None:
        while text := client.recv(65536):
            if self._ended.is_set():  # the connections end one after the other, but at once
                return
            for match in _REQUEST.finditer(text):
                line = match[0].decode()
                self.requests.append(line)
                meddle = self.meddle(line)
                if meddle is not None:
                    meddle(client)
                    _shut(client)
                    _shut(engine)
                    return
            engine.sendall(text)
        engine.shutdown(socket.SHUT_WR)

    def _pass_back(self, engine: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while text := engine.recv(65536):
                if self.gathering:
                    time.sleep(self.gathering)
                    with suppress(BlockingIOError):
                        text += engine.recv(65536, socket.MSG_DONTWAIT)
                client.sendall(text)
            client.shutdown(socket.SHUT_WR)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def shown(url: str) -> str:
    """Return the address of a socket as it stands in the ids of tests."""
    return url.replace("//", "")
