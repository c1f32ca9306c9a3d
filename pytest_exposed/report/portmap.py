"""The ports of a container in words: in short for its tiles, whole for its table. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

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
from pytest_exposed.text import plural

R = TypeVar("R")

_DOCUMENTED = {"yes": "documented", "only declared": "declared", "no": "not documented"}
# Of several listeners on a port the first that is here tells.
_LISTENING = {
    "reachable": "listening",
    "dynamic": "dynamic",
    "IPv6 only": "listening",
    "unattributed": "listener unknown",
    "loopback": "only inside",
    "unreachable": "only inside",
    "ephemeral": "ephemeral",
}
_CROWDS = {"dynamic": "not documented", "ephemeral": "probably clients"}
"""What ports are whose number nobody chose, in short."""
HEADINGS = ("documented", "listening", "process", "published")
"""What Cell.words tells."""
KINDS = ("differs", "unseen", "warning", "accepted", "some")
"""What a tile is, the worst first: its finding's kind, what is unknown, all others."""


class Cell(NamedTuple):
    """A port of a container, without its number: neighbouring ports that are alike are equal."""

    documented: str
    """"yes", "no", "only declared" or "unknown"."""
    published: tuple[tuple[str, int | None], ...]
    """Addresses of the host, and how far the host's port is from the container's; None where it
    is opened without a port of the host."""
    listeners: tuple[tuple[str, str, str | None, int | None, str | None], ...] | None
    """Address, kind, process and its pid of each, and when it was seen, where that was not always;
    None where unknown."""
    findings: tuple[tuple[str, str], ...]
    """Rules that are broken, and what a finding of each is: see kind_of."""
    on_demand: bool = False
    """Whether it is of a range that looks used on demand."""

    @property
    def brief(self) -> str:
        """What the port is, in a few words: "documented, listening, published"."""
        kinds = {x[1] for x in self.listeners or ()}
        heard = next((y for x, y in _LISTENING.items() if x in kinds), "not listening")
        if self.on_demand:
            heard = "on demand"
        parts = [_DOCUMENTED.get(self.documented, ""), heard if self.listeners is not None else ""]
        if self.documented == "unknown" or self.listeners is None:
            parts.append("unknown")
        parts += ["published"] if self.published else []
        return ", ".join(filter(None, parts))

    @property
    def kind(self) -> str:
        """What it is, one of KINDS."""
        if self.findings:
            return min((kind for _, kind in self.findings), key=KINDS.index)
        unknown = self.listeners is None or any(x[1] == "unattributed" for x in self.listeners)
        return "unseen" if unknown else "some"

    @property
    def crowd(self) -> str | None:
        """What it is one of many of, whose numbers nobody chose: "ephemeral", "dynamic"."""
        kinds = {x[1] for x in self.listeners or ()}
        if kinds == {"dynamic"}:
            return "dynamic"
        is_client = kinds == {"ephemeral"} and self.documented == "no"
        return "ephemeral" if is_client and not self.published and not self.findings else None

    def words(self, ports: Sequence[Port]) -> tuple[str, ...]:
        """Return in words what HEADINGS names.

        ports are those that the cell stands for, one or a range.
        """
        listening, processes = ["unknown"], ["unknown"]
        if self.listeners is not None:
            listening = [
                _endpoint(address, ports)
                + "".join(f" ({x})" for x in (kind, seen) if x and x != "reachable")
                for address, kind, _, _, seen in self.listeners
            ] or ["on demand" if self.on_demand else "no"]
            processes = [_process(name, pid) for _, _, name, pid, _ in self.listeners if name]
            processes = processes or ["unknown" if self.listeners else "none"]
        published = [
            f"{address} (routed)" if offset is None else _endpoint(address, ports, offset)
            for address, offset in self.published
        ]
        texts = (", ".join(dict.fromkeys(x)) for x in (listening, processes, published or ["no"]))
        return (self.documented, *texts)


class Tile(NamedTuple):
    """A port of a container, a range of ports that are alike, or all whose number nobody chose."""

    label: str
    brief: str
    kind: str
    """One of KINDS."""
    rules: tuple[str, ...] = ()
    """The rules that it breaks."""


def tiles_of(cells: Mapping[Port, Cell]) -> list[Tile]:
    """Return the tiles of a container, the worst first."""
    crowds: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells.values():
        if cell.crowd is not None:
            crowds[cell.crowd].append(cell)
    alone = {x: y for x, y in cells.items() if y.crowd is None}
    tiles = [_tile(label(run), [alone[run[0]]]) for run in folded(alone)]
    tiles += [
        _tile(plural(len(x), f"{name} port"), x)._replace(brief=_CROWDS[name])
        for name, x in sorted(crowds.items())
    ]
    return sorted(tiles, key=lambda x: KINDS.index(x.kind))


def _tile(name: str, cells: Sequence[Cell]) -> Tile:
    rules = dict.fromkeys(rule for cell in cells for rule, _ in cell.findings)
    kind = min((x.kind for x in cells), key=KINDS.index)
    return Tile(name, cells[0].brief, kind, tuple(rules))


def _endpoint(address: str, ports: Sequence[Port], offset: int = 0) -> str:
    last = f"-{ports[-1].number + offset}" if len(ports) > 1 else ""
    return endpoint(address, ports[0].number + offset) + last


def _process(name: str, pid: int | None) -> str:
    return name if pid is None else f"{name} (pid {pid})"


def cells_of(container: ContainerRecord) -> dict[Port, Cell]:
    """Return the ports of a container, sorted."""
    seen = container["documented"] is not None
    documented = dict.fromkeys(container["declared"] or (), "only declared" if seen else "unknown")
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
            documented.get(name, "no" if seen else "unknown"),
            tuple(
                (x["host_ip"], None if x["host_port"] is None else x["host_port"] - port.number)
                for x in published.get(name, ())
            ),
            tuple(
                (x["address"], _kind(x, listeners[name]), _named(x), x["pid"], x.get("seen"))
                for x in listeners.get(name, ())
            )
            if container["listeners"] is not None
            else None,
            tuple((x["rule"], kind_of(x)) for x in findings.get(name, ())),
            port in asked_for and name not in published,
        )
        for port, name in sorted(ports.items())
    }


def kind_of(finding: FindingRecord) -> str:
    """Return what a finding is to its container: "differs", "warning" or "accepted"."""
    if fails(finding):
        return "differs"
    return "warning" if finding["waived"] is None else "accepted"


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


def folded(alike: Mapping[Port, object]) -> list[list[Port]]:
    """Return ports in order; neighbours that are alike in one list."""
    return sorted(map(list, adjoining(alike, lambda x, y: alike[x] == alike[y])))


def label(ports: Sequence[Port]) -> str:
    """Return the name of a port, or of a range: "80/tcp", "10001-12000/tcp"."""
    first, last = ports[0], ports[-1]
    return str(first) if first == last else f"{first.number}-{last.number}/{first.protocol}"
