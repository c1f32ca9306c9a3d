"""Connects to engines by the scheme of the address: unix, npipe, TCP, TLS and ssh."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_exposed.engine.transport.http import Response, head
from pytest_exposed.engine.transport.wire import AnswerError, Wire
from pytest_exposed.unpatched import monotonic, socket_class

if TYPE_CHECKING:
    import ssl

    from pytest_exposed.engine.hosts import Host
    from pytest_exposed.engine.transport.proxies import Proxy

Dial = Callable[[float], Wire]
"""Returns a new connection within the given seconds."""


class Route:
    """The way to an engine: how to connect, and how its requests begin."""

    def __init__(self, host: Host, timeout: float) -> None:
        """Prepare to connect to host; timeout, in seconds, is for ssh's connection.

        Raises OSError and ssl.SSLError for unusable TLS files.
        """
        self.name = "localhost"
        """The value of the header Host."""
        self.prefix = ""
        """The prefix of each request's path."""
        self.origin = ""
        """The prefix before that for an HTTP proxy."""
        self.headers: Mapping[str, str] = {}
        """Headers for an HTTP proxy."""
        scheme, _, rest = host.url.partition("://")
        if host.ssh:
            from pytest_exposed.engine.transport.ssh import SshWire  # noqa: PLC0415  # for few

            self.dial: Dial = lambda _: SshWire(_ssh_command(host, timeout))
        elif scheme in ("unix", "http+unix"):
            self.dial = partial(_unix, rest)
        elif scheme == "npipe":
            self.dial = partial(_npipe, rest)
        else:
            self._by_network(host)
            return
        self.direct = self.dial

    def _by_network(self, host: Host) -> None:
        from pytest_exposed.engine.transport.proxies import proxy_for  # noqa: PLC0415  # for few

        parts = urlsplit(host.url)
        name = parts.hostname or "localhost"
        port = 2375 if parts.port is None else parts.port
        self.name = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
        self.prefix = parts.path.rstrip("/")
        context = host.tls.context() if host.tls is not None else None
        self.direct = partial(_tcp, name, port, None, context)
        """Connects without a proxy."""
        proxy = proxy_for("https" if context else "http", name, port, os.environ)
        self.dial = partial(_tcp, name, port, proxy, context)
        if proxy is not None and proxy.is_http and context is None:
            self.origin = f"http://{self.name}"
            self.headers = proxy.headers


def _ssh_command(host: Host, timeout: float) -> list[str]:
    # ssh uses the first value of an option: the user's precede ours.
    *given, destination = host.ssh
    options = ["-o", "BatchMode=yes", *given, "-o", f"ConnectTimeout={max(1, int(timeout))}", "-T"]
    # ssh joins words with blanks, and the remote shell splits them.
    engine = ["-H", shlex.quote(host.docker_host)] if host.docker_host else []
    return [host.program, *options, "--", destination, "docker", *engine, "system", "dial-stdio"]


def _connected(family: int, address: Any, seconds: float) -> socket.socket:
    # A green socket (gevent) can't be shared by two kernel threads, and audits have several.
    connection = socket_class()(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def _unix(path: str, seconds: float) -> Wire:
    return Wire(_connected(socket.AF_UNIX, path, seconds))


def _npipe(path: str, seconds: float) -> Wire:
    # Windows' named pipes have no class in the standard library.
    from docker.transport.npipesocket import NpipeSocket  # noqa: PLC0415

    connection: Any = NpipeSocket()
    connection.settimeout(seconds)
    connection.connect(path)
    return Wire(connection)


def _tcp(
    name: str, port: int, proxy: Proxy | None, context: ssl.SSLContext | None, seconds: float
) -> Wire:
    deadline = monotonic() + seconds
    connection = _first_of(*(proxy.address if proxy else (name, port)), deadline)
    try:
        if proxy is not None and not proxy.is_http:
            proxy.ask_socks(connection, name, port)
        elif proxy is not None and context is not None:
            _ask_to_tunnel(connection, proxy, f"{name}:{port}", deadline - monotonic())
        if context is not None:
            connection.settimeout(max(0.001, deadline - monotonic()))
            connection = context.wrap_socket(connection, server_hostname=name)
    except BaseException:
        connection.close()
        raise
    return Wire(connection)


def _first_of(name: str, port: int, deadline: float) -> socket.socket:
    """Return a connection to the first of a name's addresses that accepts it."""
    failure: OSError = OSError("the name has no address")
    for family, _, _, _, address in socket.getaddrinfo(name, port, 0, socket.SOCK_STREAM):
        try:
            connection = _connected(family, address, max(0.001, deadline - monotonic()))
        except OSError as error:
            failure = error
            continue
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection
    raise failure


def _ask_to_tunnel(connection: socket.socket, proxy: Proxy, target: str, seconds: float) -> None:
    """Ask an HTTP proxy for a tunnel to target; raises AnswerError if it refuses."""
    wire = Wire(connection)
    wire.allow(monotonic() + seconds, seconds)
    wire.sendall(head("CONNECT", target, {"Host": target, **proxy.headers}, None))
    response = Response(wire, "CONNECT")
    if response.status != 200:
        raise AnswerError(f"the proxy refuses to connect to {target}: {response.status}")
