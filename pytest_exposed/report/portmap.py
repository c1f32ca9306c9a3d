"""The map of ports of a host: a row per container, a column per port or range of ports. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from pytest_exposed.model import endpoint
from pytest_exposed.model.ports import Port, Ports, adjoining
from pytest_exposed.report.record import (
    ContainerRecord,
    FindingRecord,
    ListenerRecord,
    fails,
    ports_of,
)
from pytest_exposed.rules.on_demand import silent_ranges
from pytest_exposed.values import dataclass

R = TypeVar("R")

_LEAST_ALIKE = 4
"""Neighbouring ports, alike in all containers, that share a column."""
_MOST_COLUMNS = 150
"""Columns of a host; the ports that fewest containers have share one more."""

_DOCUMENTED = {"yes": "D", "run time": "r", "-": "·", "unknown": "?"}
# Of several listeners on a port the first that is here tells.
_LISTENING = {
    "reachable": "L",
    "dynamic": "L",
    "IPv6 only": "L",
    "unattributed": "?",
    "loopback": "i",
    "unreachable": "i",
    "ephemeral": "e",
}
HEADINGS = ("documented", "listening", "process", "published")
"""What Cell.words tells."""
UNKNOWN = "??·"
"""What a cell says where nothing is known of the port's container and it isn't published."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A port of a container, told so that neighbouring ports that are alike are equal."""

    documented: str
    published: tuple[tuple[str, int | None], ...]
    """Addresses of the host, and how far the host's port is from the container's; None where it
    is opened without a port of the host."""
    listeners: tuple[tuple[str, str, str | None, int | None], ...] | None
    """Address, kind, process and its pid of each; None where unknown."""
    findings: tuple[tuple[str, str], ...]
    """Rules that are broken, and what a finding of each is: see kind_of."""
    on_demand: bool = False
    """Whether it is of a range that looks used on demand."""

    @property
    def letters(self) -> str:
        """Three letters: how it is documented, who listens, whether it is published."""
        kinds = [x[1] for x in self.listeners or ()]
        listening = "·" if self.listeners is not None else "?"
        listening = next((y for x, y in _LISTENING.items() if x in kinds), listening)
        return _DOCUMENTED[self.documented] + listening + ("P" if self.published else "·")

    @property
    def is_client(self) -> bool:
        """Whether nothing is there but sockets that are almost always those of clients."""
        return self.letters == "·e·" and not self.findings

    @property
    def is_dynamic(self) -> bool:
        """Whether nothing is there but a listener on a port that nobody chose."""
        return bool(self.listeners) and all(x[1] == "dynamic" for x in self.listeners or ())

    def words(self, ports: Sequence[Port]) -> tuple[str, ...]:
        """Return in words what HEADINGS names.

        ports are those that the cell stands for, one or a range.
        """
        listening, processes = ["unknown"], ["unknown"]
        if self.listeners is not None:
            listening = [
                _endpoint(address, ports) + (f" ({kind})" if kind != "reachable" else "")
                for address, kind, _, _ in self.listeners
            ]
            processes = [_process(name, pid) for _, _, name, pid in self.listeners if name]
        published = [
            f"{address} (routed)" if offset is None else _endpoint(address, ports, offset)
            for address, offset in self.published
        ]
        if self.on_demand:
            listening = ["on demand"]
        texts = (", ".join(dict.fromkeys(x)) or "-" for x in (listening, processes, published))
        return (self.documented, *texts)


def _endpoint(address: str, ports: Sequence[Port], offset: int = 0) -> str:
    last = f"-{ports[-1].number + offset}" if len(ports) > 1 else ""
    return endpoint(address, ports[0].number + offset) + last


def _process(name: str, pid: int | None) -> str:
    return name if pid is None else f"{name} (pid {pid})"


def cells_of(container: ContainerRecord) -> dict[Port, Cell]:
    """Return the ports of a container, sorted."""
    seen = container["documented"] is not None
    documented = dict.fromkeys(container["declared"] or (), "run time" if seen else "unknown")
    by_image = container.get("documented_by_image", container["documented"])
    documented |= dict.fromkeys(by_image or (), "yes")
    listeners = _by_port(container["listeners"], lambda x: [x["port"]])
    published = _by_port(container["published"], lambda x: [x["port"]])
    findings = _by_port(container["findings"], ports_of)
    heard = [(Port.parse(x["port"]), x["kind"]) for x in container["listeners"] or ()]
    asked_for = silent_ranges(Ports.parse(container["documented"] or ()), heard)
    ports = {Port.parse(x): x for x in {*documented, *listeners, *published, *findings}}
    return {
        port: Cell(
            documented.get(name, "-" if seen else "unknown"),
            tuple(
                (x["host_ip"], None if x["host_port"] is None else x["host_port"] - port.number)
                for x in published.get(name, ())
            ),
            tuple(
                (x["address"], _kind(x, listeners[name]), _named(x), x["pid"])
                for x in listeners.get(name, ())
            )
            if container["listeners"] is not None
            else None,
            tuple((x["rule"], kind_of(x)) for x in findings.get(name, ())),
            port in asked_for,
        )
        for port, name in sorted(ports.items())
    }


def kind_of(finding: FindingRecord) -> str:
    """Return what a finding is to its container: "differs", "warning" or "waived"."""
    if fails(finding):
        return "differs"
    return "warning" if finding["waived"] is None else "waived"


def _by_port(
    records: Iterable[R] | None, ports: Callable[[R], Iterable[Port | str]]
) -> dict[str, list[R]]:
    found: dict[str, list[R]] = defaultdict(list)
    for record in records or ():
        for port in ports(record):
            found[str(port)].append(record)
    return found


def _named(listener: ListenerRecord) -> str | None:
    """Return the name of a process, and what it runs where it is an interpreter."""
    program = listener.get("program")
    return f"{listener['process']} {program}" if program else listener["process"]


def _kind(listener: ListenerRecord, of_port: Iterable[ListenerRecord]) -> str:
    """Return what a listener is called beside the others of its port."""
    if listener.get("dynamic") and listener["kind"] == "reachable":
        return "dynamic"
    # Where IPv4 answers, IPv6 alone that nothing reaches is no fault.
    answers = any(x["kind"] == "reachable" for x in of_port)
    is_fine = answers and listener["kind"] == "unreachable" and listener["address"] == "::"
    return "IPv6 only" if is_fine else str(listener["kind"])


def folded(alike: Mapping[Port, object], least: int = 2) -> list[list[Port]]:
    """Return ports in order; least or more neighbours that are alike in one list."""
    runs = adjoining(alike, lambda x, y: alike[x] == alike[y])
    parts = ([run] if len(run) >= least else [[x] for x in run] for run in runs)
    return sorted(part for found in parts for part in found)


def label(ports: Sequence[Port]) -> str:
    """Return the name of a port, or of a range: "80/tcp", "10001-12000/tcp"."""
    first, last = ports[0], ports[-1]
    return str(first) if first == last else f"{first.number}-{last.number}/{first.protocol}"


@dataclass(frozen=True, slots=True)
class Column:
    """Ports that share a column: one, a range of ports that are alike, or rare ones."""

    label: str
    ports: Sequence[Port] = ()
    """The ports, where all containers that have one have all, and alike."""
    mixed: frozenset[Port] = frozenset()
    """The ports, where that isn't so."""

    def of(self, cells: Mapping[Port, Cell]) -> Sequence[Port]:
        """Return those of its ports that a container has."""
        if self.mixed:
            return sorted(cells.keys() & self.mixed)
        return self.ports if self.ports[0] in cells else ()


def columns_of(rows: Sequence[Mapping[Port, Cell]]) -> list[Column]:
    """Return the columns of a host; what would take too many is gathered in the last ones."""
    there: dict[Port, list[tuple[int, Cell]]] = defaultdict(list)
    for number, cells in enumerate(rows):
        for port, cell in cells.items():
            there[port].append((number, cell))
    clients = {x for x, users in there.items() if all(cell.is_client for _, cell in users)}
    dynamic = {x for x, users in there.items() if all(cell.is_dynamic for _, cell in users)}
    alone = {x: y for x, y in there.items() if x not in clients and x not in dynamic}
    runs = folded(alone, _LEAST_ALIKE)

    def weight(run: Sequence[Port]) -> tuple[int, bool]:
        # One container with thousands of ports must not take the place of all others'.
        users = there[run[0]]
        return len(users), any(cell.findings for _, cell in users)

    runs.sort(key=weight, reverse=True)
    rare = frozenset(port for run in runs[_MOST_COLUMNS:] for port in run)
    columns = [Column(label(x), x) for x in sorted(runs[:_MOST_COLUMNS])]
    columns += [Column("other ports", mixed=rare)] if rare else []
    columns += [Column("dynamic", mixed=frozenset(dynamic))] if dynamic else []
    return columns + ([Column("ephemeral", mixed=frozenset(clients))] if clients else [])
