"""Findings for reports, each once: what is wrong with a Swarm service is so in all its tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_exposed.report.record import ContainerRecord, FindingRecord, HostRecord
from pytest_exposed.text import plural
from pytest_exposed.values import dataclass


@dataclass(slots=True)
class ServiceGroup:
    """A container, or tasks of a Swarm service in which just the same is wrong."""

    host: HostRecord
    """The host of the first."""
    container: ContainerRecord
    """The record of the first."""
    tasks: int = 1

    @property
    def name(self) -> str:
        """The name of the container, or of the service: that of a task is never the same again."""
        return str(self.container["service" if self.container.get("service_id") else "name"])

    @property
    def who(self) -> str:
        """What it is to be called: a container, or a service and how many of its tasks."""
        if not self.container.get("service_id"):
            return self.name
        return f"service {self.name} ({plural(self.tasks, 'task')})"


def service_groups(hosts: Sequence[HostRecord]) -> list[ServiceGroup]:
    """Return the containers of hosts that were judged, in order; tasks that are alike as one."""
    found: list[ServiceGroup] = []
    tasks: dict[tuple[object, ...], ServiceGroup] = {}
    for host in hosts:
        for container in host["containers"]:
            # A service's id is the same on all nodes of its swarm, and on no other.
            if service := container.get("service_id"):
                key = (service, *map(_key, container["findings"] or ()))
                if key in tasks:
                    tasks[key].tasks += 1
                    continue
                tasks[key] = ServiceGroup(host, container)
            found.append(tasks[key] if service else ServiceGroup(host, container))
    return found


def findings(hosts: Sequence[HostRecord]) -> Iterator[FindingRecord]:
    """Yield the findings of all containers, those of a service once, whichever task has them."""
    shown = set()
    for host in hosts:
        for container in host["containers"]:
            for finding in container["findings"] or ():
                key = (container.get("service_id"), *_key(finding))
                if key[0] is None or key not in shown:
                    yield finding
                shown.add(key)


def _key(finding: FindingRecord) -> tuple[object, ...]:
    return finding["rule"], finding["port"], finding["waived"], finding.get("warning", False)
