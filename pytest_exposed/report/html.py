"""The HTML report: a map of the ports of all containers, in one file that loads nothing.

portmap.html is its frame, portmap.css its looks, portmap.js its filters. Without JavaScript it is
the same page without them: a container's details open by themselves.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from pytest_exposed import __version__
from pytest_exposed.model import endpoint
from pytest_exposed.ports import Port, Ports
from pytest_exposed.report.record import Record
from pytest_exposed.report.summary import summary
from pytest_exposed.text import plural, printable

_LONGEST = 2000
"""Characters of a message or an error that are shown."""
_LEAST_ALIKE = 4
"""Neighbouring ports, alike in all containers, that share a column."""
_MOST_COLUMNS = 150
"""Columns of a host; the ports that fewest containers have share one more."""
_MOST_LINES = 300
"""Lines of a container's details."""

# What a cell says in three letters; the frame's legend explains them.
_DOCUMENTED = {"yes": "D", "run time": "r", "-": "·", "unknown": "?"}
_LISTENING = {"reachable": "L", "unattributed": "?", "loopback": "i", "unreachable": "i"}
_HEADINGS = ("port", "documented", "listening", "process", "published")
_MARKS = {"differs": "✗", "unseen": "?", "matches": "✓"}
_WORDS = {"differs": "does not match", "unseen": "could not be observed", "matches": "matches"}


def write(path: Path, hosts: Sequence[Record]) -> None:
    """Write the map of the containers of hosts; raises OSError."""
    style, script, frame = (_asset(f"portmap.{x}") for x in ("css", "js", "html"))
    verdicts = [_verdicts(x) for host in hosts for x in host["containers"]]
    counts = Counter(word for words in verdicts for word in words)
    page = Template(frame).substitute(
        # A page of strangers' texts: it may run and fetch nothing but what is written here.
        policy=f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'",
        style=style,
        script=script,
        summary=_text(summary(hosts), _LONGEST),
        hosts="\n".join(line for host in hosts for line in _host(host, alone=len(hosts) == 1)),
        version=_text(__version__),
        all=len(verdicts),
        **{x: counts[x] for x in ("differs", "unseen", "waived", "matches")},
    )
    path.write_text(page, encoding="utf-8")


def _asset(name: str) -> str:
    return files("pytest_exposed.report").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()


def _text(text: str, limit: int = 256) -> str:
    """Return text that can be put anywhere in the page, attributes included, and be only text."""
    return escape(printable(text, limit))


@dataclass(frozen=True, slots=True)
class _Cell:
    """A port of a container, told so that neighbouring ports that are alike are equal."""

    documented: str
    published: tuple[tuple[str, int], ...]
    """Addresses of the host, and how far the host's port is from the container's."""
    listeners: tuple[tuple[str, str, str], ...] | None
    """Address, kind and process of each; None where unknown."""
    findings: tuple[tuple[str, bool], ...]
    """Rules, and whether they are waived."""

    @property
    def letters(self) -> str:
        kinds = [x[1] for x in self.listeners or ()]
        listening = "?" if self.listeners is None else "e" if kinds else "·"
        listening = next((_LISTENING[x] for x in _LISTENING if x in kinds), listening)
        return _DOCUMENTED[self.documented] + listening + ("P" if self.published else "·")

    @property
    def client(self) -> bool:
        """Whether only sockets are there that are almost always those of clients."""
        return self.letters == "·e·" and not self.findings

    def words(self, ports: Sequence[Port]) -> tuple[str, ...]:
        """Return what is to be said under _HEADINGS, of this port or of a range of ports."""
        last = f"-{ports[-1].number}" if len(ports) > 1 else ""
        listening, processes = ["unknown"], ["unknown"]
        if self.listeners is not None:
            listening = [
                endpoint(address, ports[0].number)
                + last
                + (f" ({kind})" if kind != "reachable" else "")
                for address, kind, _ in self.listeners
            ]
            processes = list(dict.fromkeys(x[2] for x in self.listeners if x[2]))
        published = [
            endpoint(address, ports[0].number + offset)
            + (f"-{ports[-1].number + offset}" if last else "")
            for address, offset in self.published
        ]
        found = (self.documented, *map(", ".join, (listening, processes, published)))
        return (_label(ports), *(x or "-" for x in found))


def _label(ports: Sequence[Port]) -> str:
    if len(ports) == 1:
        return str(ports[0])
    return f"{ports[0].number}-{ports[-1].number}/{ports[0].protocol}"


def _cells(container: Record) -> dict[Port, _Cell]:
    """Return the ports of a container, sorted."""
    documented = {x: "yes" for x in container["documented"] or ()}
    declared = "run time" if container["documented"] is not None else "unknown"
    otherwise = "-" if container["documented"] is not None else "unknown"
    listeners, published, findings = defaultdict(list), defaultdict(list), defaultdict(list)
    for x in container["listeners"] or ():
        process = x["process"] and f"{x['process']} (pid {x['pid']})"
        listeners[x["port"]].append((x["address"], x["kind"], process or ""))
    for x in container["published"] or ():
        offset = x["host_port"] - Port.parse(x["port"]).number
        published[x["port"]].append((x["host_ip"], offset))
    for x in container["findings"] or ():
        if x["port"] is not None:
            findings[x["port"]].append((x["rule"], x["waived"] is not None))
    documented = dict.fromkeys(container["declared"] or (), declared) | documented
    ports = {Port.parse(x): x for x in {*documented, *listeners, *published, *findings}}
    return {
        port: _Cell(
            documented.get(name, otherwise),
            tuple(published.get(name, ())),
            tuple(listeners.get(name, ())) if container["listeners"] is not None else None,
            tuple(findings.get(name, ())),
        )
        for port, name in sorted(ports.items())
    }


def _folded(alike: Mapping[Port, object], least: int) -> list[list[Port]]:
    """Return ports in order, those in a list of their own that are neighbours and alike."""
    runs: list[list[Port]] = []
    for port in sorted(alike, key=lambda x: (x.protocol, x.number)):
        before = runs[-1][-1] if runs else None
        follows = before == Port(port.number - 1, port.protocol) if port.number > 1 else False
        if before and follows and alike[before] == alike[port]:
            runs[-1].append(port)
        else:
            runs.append([port])
    return sorted(y for x in runs for y in ([x] if len(x) >= least else [[z] for z in x]))


@dataclass(frozen=True, slots=True)
class _Column:
    """Ports that share a column: one, a range of some that are alike, or rare ones."""

    label: str
    ports: Sequence[Port]
    mixed: bool = False

    def of(self, cells: Mapping[Port, _Cell]) -> list[Port]:
        """Return its ports that a container has."""
        if self.mixed:
            members = set(self.ports)
            return [x for x in cells if x in members]
        return list(self.ports) if self.ports[0] in cells else []


def _columns(rows: Sequence[Mapping[Port, _Cell]]) -> list[_Column]:
    """Return the columns of a host's map."""
    there: dict[Port, list[tuple[int, _Cell]]] = defaultdict(list)
    for number, cells in enumerate(rows):
        for port, cell in cells.items():
            there[port].append((number, cell))
    clients = sorted(x for x, users in there.items() if all(cell.client for _, cell in users))
    runs = _folded({x: y for x, y in there.items() if x not in set(clients)}, _LEAST_ALIKE)

    def weight(run: Sequence[Port]) -> tuple[bool, int]:
        users = there[run[0]]
        return any(cell.findings for _, cell in users), len(users)

    kept = sorted(sorted(runs, key=weight, reverse=True)[:_MOST_COLUMNS])
    rare = [port for run in runs if run not in kept for port in run]
    special = [("other ports", rare), ("ephemeral", clients)]
    return [_Column(_label(x), x) for x in kept] + [_Column(*x, mixed=True) for x in special if x[1]]
