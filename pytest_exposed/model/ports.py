"""Ports and sets of ports, parsed from every form that people and engines use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from operator import attrgetter
from typing import Any

from pytest_exposed.errors import PortError
from pytest_exposed.values import dataclass

PROTOCOLS = ("tcp", "udp", "sctp")
HIGHEST = 65535

# Docker lower-cases the protocol of EXPOSE and -p, and a missing one is tcp.
_FORM = re.compile(
    r"(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?(?:/(?P<protocol>[A-Za-z]+))?", re.ASCII
)


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """A port number from 1 to 65535 and a protocol: tcp, udp or sctp."""

    number: int
    protocol: str = "tcp"

    def __init__(self, number: int, protocol: str = "tcp") -> None:
        """Raise PortError (a ValueError) for an invalid number or protocol."""
        if type(number) is not int or not 1 <= number <= HIGHEST:
            hint = "" if type(number) is int else "; Port.parse() reads other forms"
            said = repr(number) if hint or abs(number) < 1 << 64 else "so great a number"
            raise PortError(f"{said} is not a port: a number from 1 to {HIGHEST}{hint}")
        if protocol not in PROTOCOLS:
            raise PortError(f"{protocol!r} is not a protocol of ports: tcp, udp or sctp")
        object.__setattr__(self, "number", number)
        object.__setattr__(self, "protocol", protocol)

    @classmethod
    def parse(cls, text: PortLike) -> Port:
        """Return the port of 80, "80", "80/tcp", or a Port itself.

        Raises PortError (a ValueError) for anything else, even a range.
        """
        if isinstance(text, Port):
            return text
        ports = _span(text)
        if len(ports) != 1:
            raise PortError(f"{text!r} is a range of ports where one port is needed")
        return ports[0]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Port):
            return self.number == other.number and self.protocol == other.protocol
        if isinstance(other, (int, str)) and not isinstance(other, bool):
            try:
                return self == Port.parse(other)
            except PortError:
                return False
        return NotImplemented

    def __hash__(self) -> int:
        # Few ports differ only by protocol, and hashing both takes twice as long.
        return self.number

    def __str__(self) -> str:
        return f"{self.number}/{self.protocol}"


order = attrgetter("number", "protocol")
"""The key to sort ports by; comparing ports directly takes five times as long."""

PortLike = int | str | Port
"""One port: 80, "80", "80/tcp", a Port."""

PortsLike = PortLike | Iterable[PortLike]
"""One or more ports: a port, a range "8000-8003/udp", or a collection of these."""


def _span(form: object) -> list[Port]:
    """Return the ports of one form, which can be a range."""
    if isinstance(form, Port):
        return [form]
    if type(form) is int:
        return [Port(form)]
    if not isinstance(form, str):
        raise PortError(f'{form!r} is not a port: write 80, "80/tcp" or "8000-8003/udp"')
    first, last, protocol = _bounds(form)
    return [Port(number, protocol) for number in range(first, last + 1)]


def _bounds(form: str) -> tuple[int, int, str]:
    """Return first and last number and protocol of a port or range."""
    match = _FORM.fullmatch(form)
    if match is None:
        raise PortError(
            f'{form!r} is not a port: write "80", "80/tcp" or "8000-8003/udp", '
            "with tcp, udp or sctp as the protocol"
        )
    first = int(match["first"])
    last = int(match["last"] or first)
    protocol = (match["protocol"] or "tcp").lower()
    if protocol not in PROTOCOLS:
        raise PortError(f"{form!r} is not a port: its protocol must be tcp, udp or sctp")
    if not 1 <= first <= HIGHEST or not 1 <= last <= HIGHEST:
        raise PortError(f"{form!r} is not a port: numbers go from 1 to {HIGHEST}")
    if last < first:
        raise PortError(f"{form!r} is not a range of ports: {last} is lower than {first}")
    return first, last, protocol


# Python's collections of characters or numbers, which are no ports.
_TEXTS = (str, bytes, bytearray, memoryview)


# Any, because in a set of Port `80 in ports` would fail users' type checks. Iterating gives Port.
class Ports(AbstractSet[Any]):
    """An immutable set of ports, sorted by number, then protocol.

    It compares and combines with sets of every form of a port: `ports == {"80/tcp", "53/udp"}`,
    `80 in ports`, `"8000-8003" in ports` (all of them), `ports - {"80"}`. An invalid port raises
    PortError there, too: a typing error must not just compare as unequal.
    """

    __slots__ = ("_ports",)

    def __init__(self, ports: Iterable[Port] = ()) -> None:
        if isinstance(ports, _TEXTS) or not isinstance(ports, Iterable):
            raise PortError(f"{ports!r} is no collection of Port: Ports.parse() reads other forms")
        self._ports = frozenset(ports)
        for port in self._ports:
            if not isinstance(port, Port):
                raise PortError(f"{port!r} is not a Port: Ports.parse() reads other forms")

    @classmethod
    def parse(cls, *forms: PortsLike) -> Ports:
        """Return the ports of all forms: 80, "80/tcp", "8000-8003/udp", or sets of these.

        Raises PortError (a ValueError) that names the invalid form.
        """
        ports: set[Port] = set()
        for form in forms:
            if isinstance(form, Ports):
                ports |= form._ports
            elif isinstance(form, Iterable) and not isinstance(form, _TEXTS):
                for one in form:
                    ports.update(_span(one))
            else:
                ports.update(_span(form))
        return cls(ports)

    @classmethod
    def from_exposed(cls, keys: Iterable[str]) -> tuple[Ports, tuple[str, ...]]:
        """Return the ports in the keys of an engine's `ExposedPorts`, and the invalid keys.

        Engines check a Dockerfile's EXPOSE, but an image that was made otherwise can have any key
        ("", "8080/TCP", "5000-5002/tcp", "70000/tcp").
        """
        spans: set[tuple[int, int, str]] = set()
        invalid = []
        for key in keys:
            try:
                spans.add(_bounds(key))
            except PortError:
                invalid.append(key)
        ports: set[Port] = set()
        reached: dict[str, int] = {}
        # Sorted, so that each port is created once, however many ranges overlap.
        for first, last, protocol in sorted(spans):
            start = max(first, reached.get(protocol, 0) + 1)
            ports.update(Port(x, protocol) for x in range(start, last + 1))
            reached[protocol] = max(last, reached.get(protocol, 0))
        return cls(ports), tuple(sorted(invalid))

    def __contains__(self, form: object) -> bool:
        if isinstance(form, Port):
            return form in self._ports
        return self._ports.issuperset(_span(form))

    def __iter__(self) -> Iterator[Port]:
        return iter(sorted(self._ports, key=order))

    def __len__(self) -> int:
        return len(self._ports)

    # AbstractSet's operators would look for a Port among the other side's texts. So each operator
    # is written out here, for the other side's ports.

    def __eq__(self, other: object) -> bool:
        # Any form of ports is compared: otherwise `!=` would be true for all but sets.
        if isinstance(other, bool):
            return NotImplemented
        if isinstance(other, (str, int, Port, list, tuple, Iterator)):
            return self._ports == Ports.parse(other)._ports
        ports = _members(other)
        return NotImplemented if ports is None else self._ports == ports

    def __le__(self, other: object) -> bool:
        ports = _members(other)
        return NotImplemented if ports is None else self._ports <= ports

    def __lt__(self, other: object) -> bool:
        ports = _members(other)
        return NotImplemented if ports is None else self._ports < ports

    def __ge__(self, other: object) -> bool:
        ports = _members(other)
        return NotImplemented if ports is None else self._ports >= ports

    def __gt__(self, other: object) -> bool:
        ports = _members(other)
        return NotImplemented if ports is None else self._ports > ports

    def __and__(self, other: object) -> Ports:
        ports = _members(other)
        return NotImplemented if ports is None else Ports(self._ports & ports)

    def __or__(self, other: object) -> Ports:
        ports = _members(other)
        return NotImplemented if ports is None else Ports(self._ports | ports)

    def __xor__(self, other: object) -> Ports:
        ports = _members(other)
        return NotImplemented if ports is None else Ports(self._ports ^ ports)

    def __sub__(self, other: object) -> Ports:
        ports = _members(other)
        return NotImplemented if ports is None else Ports(self._ports - ports)

    def __rsub__(self, other: object) -> Ports:
        ports = _members(other)
        return NotImplemented if ports is None else Ports(ports - self._ports)

    __rand__ = __and__
    __ror__ = __or__
    __rxor__ = __xor__

    def isdisjoint(self, other: Iterable[PortLike]) -> bool:
        """Return whether both have no port in common."""
        return self._ports.isdisjoint(Ports.parse(other))

    def __hash__(self) -> int:
        return hash(self._ports)

    def __str__(self) -> str:
        """Return the ports with ranges: "80/tcp, 8000-8003/udp"; "none" if empty."""
        return ", ".join(self.ranges()) or "none"

    def __repr__(self) -> str:
        return f"Ports({', '.join(map(repr, self.ranges()))})"

    def ranges(self) -> list[str]:
        """Return the ports as the fewest texts: adjoining ports of a protocol are a range."""
        spans = sorted((x[0].number, x[-1].number, x[0].protocol) for x in adjoining(self._ports))
        return [
            f"{first}/{protocol}" if first == last else f"{first}-{last}/{protocol}"
            for first, last, protocol in spans
        ]


def _members(other: object) -> frozenset[Port] | None:
    """Return the ports of an operator's other side, or None if it is not a set."""
    if isinstance(other, Ports):
        return other._ports
    return Ports.parse(other)._ports if isinstance(other, AbstractSet) else None


def adjoining(
    ports: Iterable[Port], alike: Callable[[Port, Port], bool] = lambda _, __: True
) -> list[list[Port]]:
    """Return sorted ports; adjoining ones of a protocol are grouped if they are alike."""
    found: list[list[Port]] = []
    last: Port | None = None
    for port in sorted(ports, key=attrgetter("protocol", "number")):
        adjoins = (
            last is not None
            and last.number + 1 == port.number
            and last.protocol == port.protocol
            and alike(last, port)
        )
        if adjoins:
            found[-1].append(port)
        else:
            found.append([port])
        last = port
    return found
