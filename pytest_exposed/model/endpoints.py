"""Ports with addresses, as given for listeners and for publications (-p)."""

from __future__ import annotations

import re
from contextlib import suppress
from ipaddress import IPv6Address, ip_address

from pytest_exposed.errors import PortError
from pytest_exposed.model.listeners import Listener, Publication, endpoint, written
from pytest_exposed.model.ports import PROTOCOLS, Port, Ports, PortsLike
from pytest_exposed.values import dataclass

# 127.0.0.1:9000/tcp, [::1]:9000
_BOUND = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<v4>[^:\[\]]*)):(?P<ports>[^:]*)")

# docker run --publish: [[IP:][HOST]:]PORTS, with an IPv6 address in brackets
_PUBLISHED = re.compile(
    r"(?:(?:\[(?P<v6>[^\]]*)\]|(?P<v4>[^:\[\]]+)):(?=[^:]*:))?(?:(?P<host>[^:]*):)?(?P<ports>[^:]*)"
)


@dataclass(frozen=True, slots=True, order=True)
class BoundPort:
    """A port to listen on, with the address that a listener must be bound to; None for any."""

    port: Port
    address: str | None = None

    @classmethod
    def parse(cls, form: PortsLike) -> list[BoundPort]:
        """Return the ports of a form: a port, a range, Ports, or one of these behind "ADDRESS:".

        Raises PortError (a ValueError) that names the form.
        """
        match = _BOUND.fullmatch(form) if isinstance(form, str) else None
        if match is None or not isinstance(form, str):
            return [cls(x) for x in Ports.parse(form)]
        if (match["v4"] or "").isdecimal():
            if match["ports"] in PROTOCOLS:
                raise PortError(f"{form!r} is not a port: write {form.replace(':', '/')!r}")
            raise PortError(
                f"{form!r} is not a port: for the host's ports, use container_publishes"
            )
        address = _address(match["v6"] or match["v4"], form, needs_v6=match["v6"] is not None)
        return [cls(x, address) for x in _ports(match["ports"], form)]

    def is_met_by(self, listener: Listener) -> bool:
        """Return whether a listener matches: bound to this address, or reachable if any will do."""
        if listener.port != self.port:
            return False
        if self.address is None:
            return listener.kind == "reachable"
        return listener.address == self.address and listener.kind != "unattributed"

    def may_be_met_by(self, listener: Listener) -> bool:
        """Return whether an unattributed listener would match if it were the container's."""
        if listener.kind != "unattributed" or listener.port != self.port:
            return False
        if self.address is None:
            return listener.presumed == "reachable"
        return listener.address == self.address

    def __str__(self) -> str:
        if self.address is None:
            return str(self.port)
        return f"{endpoint(self.address, self.port.number)}/{self.port.protocol}"


@dataclass(frozen=True, slots=True, order=True)
class PublishedPort:
    """A port to publish, with the host's address and port if they matter."""

    port: Port
    host_ip: str | None = None
    host_port: int | None = None
    highest: int | None = None
    """The last host port of a range, if any of the range will do; host_port is the first."""

    @property
    def is_plain(self) -> bool:
        """Whether address and port of the host don't matter."""
        return self.host_ip is None and self.host_port is None

    @classmethod
    def parse(cls, form: PortsLike) -> list[PublishedPort]:
        """Return the ports of a form of `docker run -p`: "80", "8080:80", "127.0.0.1:8080:80/tcp".

        Ranges pair up: "8000-8001:80-81". With "8000-8010:80" any of these host ports will do.
        Raises PortError (a ValueError) that names the form.
        """
        if not isinstance(form, str) or ":" not in form:
            return [cls(x) for x in _unbound(form)]
        match = _PUBLISHED.fullmatch(form)
        if match is None:
            raise PortError(f'{form!r} is not a publication: write "80", "8080:80" or "IP:8080:80"')
        if match["v6"] is None and match["v4"] is None and _is_address(match["host"]):
            raise PortError(
                f"{form!r} is not a publication: an address has two colons behind it, "
                "IP:8080:80, or IP::80 for any port of the host"
            )
        ports = _ports(match["ports"], form)
        address = None
        if match["v6"] is not None or match["v4"] is not None:
            address = _address(match["v6"] or match["v4"], form, needs_v6=match["v6"] is not None)
        if not match["host"]:  # "127.0.0.1::80": any port of the host
            if address is None:
                raise PortError(f"{form!r} is not a publication: it names no port of the host")
            return [cls(x, address) for x in ports]
        if "/" in match["host"]:
            raise PortError(f"{form!r} is not a publication: the protocol stands at its end")
        hosts = _ports(match["host"], form)
        if len(ports) == 1:
            highest = hosts[-1].number if len(hosts) > 1 else None
            return [cls(ports[0], address, hosts[0].number, highest)]
        if len(hosts) != len(ports):
            raise PortError(
                f"{form!r} is not a publication: it has {len(hosts)} ports for {len(ports)}"
            )
        return [cls(port, address, host.number) for port, host in zip(ports, hosts, strict=True)]

    def is_met_by(self, publication: Publication) -> bool:
        """Return whether a publication matches."""
        return (
            publication.port == self.port
            and (
                self.host_port is None
                or self.host_port <= publication.host_port <= (self.highest or self.host_port)
            )
            # Podman leaves out the address if it is any.
            and self.host_ip in (None, publication.host_ip or "0.0.0.0")  # noqa: S104
        )

    def __str__(self) -> str:
        if self.host_ip is None and self.host_port is None:
            return str(self.port)
        host = "*" if self.host_port is None else str(self.host_port)
        if self.highest is not None:
            host = f"{host}-{self.highest}"
        return f"{endpoint(self.host_ip, host) if self.host_ip is not None else host}->{self.port}"


def _is_address(text: str) -> bool:
    with suppress(ValueError):
        return bool(ip_address(text))
    return False


def _address(text: str, form: str, *, needs_v6: bool) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        raise PortError(f"{form!r} is not a port: {text!r} is not an address") from None
    if isinstance(address, IPv6Address) != needs_v6:
        raise PortError(f"{form!r} is not a port: only an IPv6 address stands in brackets")
    return written(address)


def _unbound(form: PortsLike) -> Ports:
    if isinstance(form, str) and re.fullmatch("[0-9]+/[0-9]+", form):
        raise PortError(f"{form!r} is not a publication: write {form.replace('/', ':')!r}")
    return Ports.parse(form)


def _ports(text: str, form: str) -> list[Port]:
    try:
        return list(Ports.parse(text))
    except PortError as error:
        raise PortError(f"{form!r} can't be read: {error}") from None
