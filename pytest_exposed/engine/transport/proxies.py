"""The proxy to an engine, chosen by Go's rules, as in the docker command.

Source: golang.org/x/net/http/httpproxy. ALL_PROXY is not among its variables.
"""

from __future__ import annotations

import base64
import socket
from collections.abc import Mapping
from dataclasses import field
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

from pytest_exposed.engine.transport.wire import AnswerError
from pytest_exposed.values import dataclass

_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy from the environment."""

    scheme: str
    address: tuple[str, int]
    user: str = field(default="", repr=False)
    """"name:password", or nothing."""

    @property
    def is_http(self) -> bool:
        """Whether it is an HTTP proxy, rather than SOCKS."""
        return not self.scheme.startswith("socks")

    @property
    def headers(self) -> dict[str, str]:
        """The headers with its credentials."""
        if not self.user:
            return {}
        return {"Proxy-Authorization": f"Basic {base64.b64encode(self.user.encode()).decode()}"}

    def ask_socks(self, connection: socket.socket, name: str, port: int) -> None:
        """Ask a SOCKS5 proxy to connect to an address (RFC 1928, 1929)."""
        user, _, password = (x.encode() for x in self.user.partition(":"))
        connection.sendall(b"\x05\x01\x02" if user else b"\x05\x01\x00")
        if _exactly(connection, 2) == b"\x05\x02":
            connection.sendall(b"\x01%c%s%c%s" % (len(user), user, len(password), password))
            _expect(_exactly(connection, 2)[1] == 0, "it does not know the user")
        host = name.encode("idna")
        connection.sendall(b"\x05\x01\x00\x03%c%s" % (len(host), host) + port.to_bytes(2, "big"))
        _, failure, _, kind = _exactly(connection, 4)
        _expect(failure == 0, f"it can't connect to {name}:{port} (code {failure})")
        length = {1: 4, 4: 16}.get(kind) or _exactly(connection, 1)[0]
        _exactly(connection, length + 2)


def _expect(is_so: bool, why: str) -> None:
    if not is_so:
        raise AnswerError(f"the SOCKS proxy refuses: {why}")


def _exactly(connection: socket.socket, count: int) -> bytes:
    text = b""
    while len(text) < count:
        received = connection.recv(count - len(text))
        _expect(bool(received), "it ended the connection")
        text += received
    return text


def proxy_for(scheme: str, name: str, port: int, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for an address of http or https; None for a direct connection."""
    written = _variable(environment, f"{scheme}_proxy")
    if not written or _is_exempt(name.lower(), port, _variable(environment, "no_proxy")):
        return None
    for text in (written, f"http://{written}"):
        try:
            parts = urlsplit(text)
            kind = parts.scheme if parts.scheme in _PORTS else "http"
            where = (parts.hostname, parts.port or _PORTS[kind])
        except ValueError:
            continue
        if "://" in text and where[0]:
            user = ":".join(unquote(x or "") for x in (parts.username, parts.password))
            return Proxy(kind, (where[0], where[1]), user if parts.username else "")
    return None


def _variable(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name.upper()) or environment.get(name) or ""


def _is_exempt(name: str, port: int, exceptions: str) -> bool:
    """Return whether a host needs no proxy: this machine, and the hosts in NO_PROXY."""
    try:
        address = ip_address(name)
    except ValueError:
        address = None
    if name == "localhost" or (address is not None and address.is_loopback):
        return True
    for one in (x.strip().lower() for x in exceptions.split(",")):
        if one == "*":
            return True
        try:
            if address is not None and address in ip_network(one, strict=False):
                return True
            continue
        except ValueError:
            pass
        host, colon, number = one.rpartition(":")
        if colon and number.isdigit():
            if int(number) != port:
                continue
            one = host.strip("[]")  # noqa: PLW2901  # without its port
        suffix = one.removeprefix("*").removeprefix(".")
        own = bool(one) and not one.startswith((".", "*")) and name == one
        if own or (suffix and address is None and name.endswith(f".{suffix}")):
            return True
    return False
