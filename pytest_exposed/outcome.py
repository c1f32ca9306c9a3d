"""What an audit came to: gathered as tests report, from other processes too, and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pytest_exposed.report.record import Record
from pytest_exposed.text import plural


@dataclass(slots=True)
class HostOutcome:
    """What was found on one host."""

    host: str
    error: str | None = None
    containers: list[Record] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    gone: int = 0

    def as_record(self) -> Record:
        """Return the host's part of a report."""
        containers = sorted(self.containers, key=lambda x: (x["name"], x["id"]))
        return {"host": self.host, "error": self.error, "containers": containers}


@dataclass(slots=True)
class Outcome:
    """What was found on all hosts of a run."""

    hosts: dict[str, HostOutcome]
    """By the host's label."""
    told: int = 0
    """How many tests have told what they found."""

    def add(self, told: dict[str, Any]) -> None:
        """Take in what a test tells: its host; a record and a table, or that it is gone."""
        host = self.hosts[told["host"]]
        self.told += 1
        host.gone += bool(told.get("gone"))
        if told.get("record"):
            host.containers.append(told["record"])
        if told.get("table"):
            host.tables.append(told["table"])

    def containers(self) -> Iterator[Record]:
        """Yield the records of all containers."""
        for host in self.hosts.values():
            yield from host.containers

    def unseen(self) -> int:
        """Return how many containers could not be observed."""
        return sum(x["error"] is not None for x in self.containers())

    def summary(self) -> str:
        """Return the line that ends an audit: "12 containers on 1 host, 10 match, 2 do not (…)"."""
        containers = list(self.containers())
        unseen = self.unseen()
        broken: Counter[str] = Counter()
        differ = waived = 0
        for container in containers:
            findings = container["findings"] or ()
            counted = [x["rule"] for x in findings if x["waived"] is None]
            waived += len(findings) - len(counted)
            broken.update(counted)
            differ += bool(counted)
        parts = [
            f"{plural(len(containers), 'container')} on {plural(len(self.hosts), 'host')}",
            f"{len(containers) - unseen - differ} match",
        ]
        if differ:
            # Not in the order in which tests happened to report.
            most = sorted(broken.items(), key=lambda x: (-x[1], x[0]))
            rules = ", ".join(f"{rule} {count}" for rule, count in most)
            parts.append(f"{differ} do not ({rules})")
        parts += [f"{unseen} could not be observed"] if unseen else []
        parts += [f"{waived} waived"] if waived else []
        gone = sum(x.gone for x in self.hosts.values())
        parts += [f"{gone} gone since the run began"] if gone else []
        dead = sum(x.error is not None for x in self.hosts.values())
        parts += [f"{plural(dead, 'host')} not reached"] if dead else []
        return ", ".join(parts)
