"""The ports of a container in words: short in tiles, complete in its table. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from pytest_exposed.model import endpoint
from pytest_exposed.model.ports import Port, Ports, adjoining, order
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
# If a port has several listeners, the first of these kinds counts.
_LISTENING = {
    "reachable": "listening",
    "dynamic": "dynamic",
    "multicast": "multicast",
    "IPv6 only": "listening",
    "unattributed": "listener unknown",
    "loopback": "only inside",
    "unreachable": "only inside",
    "ephemeral": "ephemeral",
}
_CROWDS = {"dynamic": "not documented", "ephemeral": "probably clients"}
"""Words for ports with a number that the kernel chose."""
HEADINGS = ("documented", "listening", "process", "published")
"""The columns of Cell.words."""
KINDS = ("differs", "unseen", "warning", "accepted", "some")
"""Kinds of tiles, the worst first: those of findings, unknown ports, all others."""


class Cell(NamedTuple):
    """All about a port except its number: cells of alike ports are equal."""

    documented: str
    """"yes", "no", "only declared" or "unknown"."""
    published: tuple[tuple[str, int | None], ...]
    """Addresses on the host, each with the host's port minus the container's; None without a port
    on the host."""
    listeners: tuple[tuple[str, str, str | None, int | None, str | None], ...] | None
    """Each listener's address, kind, process, pid, and when it was seen if not always; None if
    unknown."""
    findings: tuple[tuple[str, str], ...]
    """Broken rules, with the kind of each finding: see kind_of."""
    on_demand: bool = False
    """Whether it belongs to a range that looks used on demand."""

    @property
    def brief(self) -> str:
        """The port in a few words: "documented, listening, published"."""
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
        """Its kind, one of KINDS."""
        if self.findings:
            return min((kind for _, kind in self.findings), key=KINDS.index)
        unknown = self.listeners is None or any(x[1] == "unattributed" for x in self.listeners)
        return "unseen" if unknown else "some"

    @property
    def crowd(self) -> str | None:
        """The class of ports that share one tile: "ephemeral", "dynamic", or None."""
        kinds = {x[1] for x in self.listeners or ()}
        if kinds == {"dynamic"}:
            return "dynamic"
        is_client = kinds == {"ephemeral"} and self.documented == "no"
        return "ephemeral" if is_client and not self.published and not self.findings else None

    def words(self, ports: Sequence[Port]) -> tuple[str, ...]:
        """Return the words for the columns of HEADINGS.

        ports are the cell's ports, one or a range.
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
    """A port of a container, a range of alike ports, or all ports that the kernel chose."""

    label: str
    brief: str
    kind: str
    """One of KINDS."""
    rules: tuple[str, ...] = ()
    """The broken rules."""


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
    """Return the cells of a container's ports, sorted by port."""
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
        for port, name in sorted(ports.items(), key=lambda x: order(x[0]))
    }


def kind_of(finding: FindingRecord) -> str:
    """Return a finding's effect on its container: "differs", "warning" or "accepted"."""
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
    """Return the name of a listener's process, with its program if it is an interpreter."""
    program = listener.get("program")
    return f"{listener['process']} {program}" if program else listener["process"]


def _kind(listener: ListenerRecord, of_port: Iterable[ListenerRecord]) -> str:
    """Return the word for a listener beside the others of its port."""
    if listener.get("dynamic") and listener["kind"] == "reachable":
        return "dynamic"
    if listener.get("multicast"):
        return "multicast"
    # If IPv4 answers, an unreachable IPv6 listener is no fault.
    answers = any(x["kind"] == "reachable" for x in of_port)
    is_fine = answers and listener["kind"] == "unreachable" and listener["address"] == "::"
    return "IPv6 only" if is_fine else str(listener["kind"])


def folded(alike: Mapping[Port, object]) -> list[list[Port]]:
    """Return sorted ports; adjoining alike ones share a list."""
    return sorted(map(list, adjoining(alike, lambda x, y: alike[x] == alike[y])))


def label(ports: Sequence[Port]) -> str:
    """Return the text of a port or range: "80/tcp", "10001-12000/tcp"."""
    first, last = ports[0], ports[-1]
    return str(first) if first == last else f"{first.number}-{last.number}/{first.protocol}"
