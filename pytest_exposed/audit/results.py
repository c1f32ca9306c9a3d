"""The results of an audit: gathered as tests report, also from other processes, and counted."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, TypedDict

from pytest_exposed.engine.records import Listed
from pytest_exposed.report.record import ContainerRecord, HostRecord, StoppedRecord, fails
from pytest_exposed.report.summary import summary
from pytest_exposed.rules.baseline import key
from pytest_exposed.text import plural
from pytest_exposed.values import dataclass

if TYPE_CHECKING:
    from typing_extensions import NotRequired, Unpack  # typing's came with Python 3.11

_LONG = 1.0
"""Seconds that a person notices."""
_MOST_NAMED = 3
"""Containers that a line names before it counts the others."""
_MOST_WARNED = 20
"""Containers of which warnings are shown in the terminal."""


class FoundRecord(TypedDict, total=False):
    """What a container's test found, in JSON's types: it may come from another process."""

    record: ContainerRecord
    table: str | None
    """The table of its ports, where that is asked for."""
    warnings: str | None
    """The text of its warnings, where there are any."""
    unsure: list[str]
    """Notes on the rules that could not judge it by all that they judge by."""
    gone: bool
    waited: float
    """Seconds that were waited for it to match."""
    young: bool
    """Whether it was judged before its grace was over."""
    key: str
    """What the container is called in a baseline."""


class ItemRecord(FoundRecord):
    """The same with its subject: a host that was not reached, or a container."""

    host: str
    """The host's label."""
    id: NotRequired[str]


def id_of_run(name: str) -> str:
    """Return the id of a container that the run starts: the engine's id changes at each start."""
    return f"run {name}"


def of_run(host: str, name: str, **found: Unpack[FoundRecord]) -> ItemRecord:
    """Return the record of a container that the run starts; host is the label of its engine."""
    return {"host": host, "id": id_of_run(name), **found}


def of_listed(host: str, listed: Listed, **found: Unpack[FoundRecord]) -> ItemRecord:
    """Return the record of a listed container; host is the label of its engine."""
    name = key(listed.name, listed.labels, listed.image_id)
    return {"host": host, "id": listed.id, "key": name, **found}


def _fails(container: ContainerRecord) -> bool:
    """Return whether a container could not be seen, or has a finding that fails it."""
    return container["error"] is not None or any(map(fails, container["findings"] or ()))


def _of_containers(note: str, names: Sequence[str]) -> str:
    """Return a note with its containers: their names where it says "it", else how many."""
    if not note.startswith(("it ", "its ")):
        if names[0] in note:  # by --exposed-dockerfile, which is of one image
            return note
        return f"{note} ({plural(len(names), 'container')})"
    return f"{_named(names)}: {note}"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(names[:_MOST_NAMED])}{more}"


@dataclass(slots=True)
class HostResults:
    """What was found on one host."""

    host: str
    error: str | None = None
    not_running: list[StoppedRecord] = field(default_factory=list)
    records: dict[str, ItemRecord] = field(default_factory=dict)
    """The record of each container's test, by its id: of one that ran again, the last."""

    @property
    def containers(self) -> list[ContainerRecord]:
        """The records of the containers that are there."""
        return [x["record"] for x in self.records.values() if x.get("record")]

    def tables(self, shown: Collection[str] = ()) -> list[str]:
        """Return the requested tables of ports, without those of shown, which are ids."""
        return [y for key, x in self.records.items() if key not in shown and (y := x.get("table"))]

    @property
    def gone(self) -> int:
        """How many containers have gone since they were listed."""
        return sum(bool(x.get("gone")) for x in self.records.values())

    def as_record(self, *, with_runs: bool = True) -> HostRecord:
        """Return the host's part of a report; the containers of a service are in a row.

        with_runs says whether to include the containers that the run has started and removed.
        """
        chosen = [x for x in self.containers if with_runs or not x.get("started_by_run")]
        return {
            "host": self.host,
            "error": self.error,
            "containers": sorted(
                chosen, key=lambda x: (x.get("service") or x["name"], x["name"], x["id"])
            ),
            "not_running": self.not_running,
        }


@dataclass(slots=True)
class Results:
    """What was found on all hosts of a run."""

    hosts: dict[str, HostResults]
    """By the host's label."""
    keys: dict[str, str] = field(default_factory=dict)
    """What the containers are called in a baseline, by their ids."""
    count: int = 0
    """How many tests have a record."""

    def add(self, record: ItemRecord) -> None:
        """Add what a test found. A later record of the same container replaces the first.

        Plugins such as pytest-rerunfailures run a test several times.
        """
        host = self.hosts[record["host"]]
        self.count += 1
        if "id" in record:
            host.records.pop(record["id"], None)
            host.records[record["id"]] = record
        if record.get("record"):
            self.keys[record["record"]["id"]] = record.get("key", record["record"]["name"])

    def _records(self) -> Iterator[ItemRecord]:
        for host in self.hosts.values():
            yield from host.records.values()

    def containers(self) -> Iterator[ContainerRecord]:
        """Yield the records of all containers."""
        for host in self.hosts.values():
            yield from host.containers

    def unseen(self) -> int:
        """Return how many containers could not be observed."""
        return sum(x["error"] is not None for x in self.containers())

    def matches(self) -> bool:
        """Return whether every host was reached, and every container seen and nothing found."""
        reached = all(x.error is None for x in self.hosts.values())
        return reached and not any(map(_fails, self.containers()))

    def waited(self) -> str | None:
        """Return a line on young containers that were waited for; None where none was."""
        found = [x for x in self._records() if x.get("record") and x.get("waited", 0) >= _LONG]
        if not found:
            return None
        # Workers wait side by side, and one container's grace is over while another is waited for.
        longest = sorted(found, key=lambda x: -round(x["waited"]))
        waits: dict[int, list[str]] = {}
        for x in longest[:_MOST_NAMED]:
            waits.setdefault(round(x["waited"]), []).append(x["record"]["name"])
        each = ", ".join(f"{time} s for {', '.join(names)}" for time, names in waits.items())
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        return f"waited {each}{more} to settle (--exposed-grace)"

    def warnings(self) -> list[str]:
        """Return the texts of warnings, the same text once; the first twenty."""
        several = len(self.hosts) > 1
        texts = {
            (f"{host.host}: " if several and not record["record"].get("service_id") else "")
            + warnings
            for host in self.hosts.values()
            for record in host.records.values()
            if (warnings := record.get("warnings"))
        }
        found, more = sorted(texts)[:_MOST_WARNED], len(texts) - _MOST_WARNED
        return found + ([f"and {plural(more, 'container')} more"] if more > 0 else [])

    def unsure(self) -> list[str]:
        """Return a line for each note that says what some containers were judged without."""
        found: dict[str, list[str]] = {}
        for record in self._records():
            for note in record.get("unsure", ()):
                found.setdefault(note, []).append(record["record"]["name"])
        return [_of_containers(note, names) for note, names in found.items()]

    def young(self) -> str | None:
        """Return a line on containers that were judged young; None where none was."""
        found = (x for x in self._records() if x.get("young") and x.get("record"))
        young = [x["record"]["name"] for x in found]
        if not young:
            return None
        return (
            f"{_named(young)} had just started when judged: a port that opens later was not seen "
            "(--exposed-watch=SECONDS looks longer)"
        )

    def summary(self) -> str:
        """Return the audit's last line, with what no report has: containers that have gone."""
        gone = sum(x.gone for x in self.hosts.values())
        line = summary([x.as_record() for x in self.hosts.values()])
        return f"{line}, {gone} gone since the run began" if gone else line
