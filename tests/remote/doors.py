"""Ways to an engine that count who comes through: sockets and ports, with TLS, as proxies too."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self  # typing's came with Python 3.11

SECONDS = 60.0
"""How long a connection may be silent."""


class Door:
    """Passes connections on to an engine's socket; a context manager that ends it.

    As a proxy it is one for everything: what it is asked for is that engine.
    """

    def __init__(
        self,
        engine: str,
        where: Path | tuple[str, int],
        *,
        tls: ssl.SSLContext | None = None,
        socks: bool = False,
    ) -> None:
        """Prepare a door at a path or a port, 0 for any, to the engine of a unix:// address."""
        self._engine = engine.removeprefix("unix://")
        self._tls = tls
        self._socks = socks
        self.came = 0
        """How many connections have asked for something."""
        self.port = 0
        if isinstance(where, tuple):
            self._listener = socket.create_server(where)
            self.port = self._listener.getsockname()[1]
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(where))
            self._listener.listen()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        _shut(self._listener)
        self._listener.close()
        for connection in list(self._open):
            _shut(connection)
        for thread in self._threads:
            thread.join(10)

    def _start(self, work: object, *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        self._open.append(client)
        with client, suppress(OSError):
            client.settimeout(SECONDS)
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
                client.settimeout(SECONDS)
            if self._socks:
                _greet(client)
            if not (text := client.recv(65536)):
                return
            self.came += 1
            with client, socket.socket(socket.AF_UNIX) as engine:
                self._open.append(engine)
                engine.connect(self._engine)
                engine.sendall(text)
                back = self._start(_copy, engine, client)
                _copy(client, engine)
                _shut(engine)
                back.join()


def _greet(client: socket.socket) -> None:
    """Let a client of SOCKS5 in, whatever address it asks for (RFC 1928)."""
    client.recv(257)
    client.sendall(b"\x05\x00")
    client.recv(262)
    client.sendall(b"\x05\x00\x00\x01" + bytes(6))


def _copy(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while text := one.recv(65536):
            other.sendall(text)
    _shut(other)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
