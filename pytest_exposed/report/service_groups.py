"""Groups the tasks of a Swarm service that have the same findings, so that each is shown once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_exposed.report.record import ContainerRecord, FindingRecord, HostRecord
from pytest_exposed.text import plural
from pytest_exposed.values import dataclass


@dataclass(slots=True)
class ServiceGroup:
    """A container, or the tasks of a Swarm service with exactly the same findings."""

    host: HostRecord
    """The host of the first container."""
    container: ContainerRecord
    """The record of the first container."""
    tasks: int = 1

    @property
    def name(self) -> str:
        """The name of the container or service; a task's own name changes with each deployment."""
        return str(self.container["service" if self.container.get("service_id") else "name"])

    @property
    def who(self) -> str:
        """The container's name, or the service's with the number of its tasks."""
        if not self.container.get("service_id"):
            return self.name
        return f"service {self.name} ({plural(self.tasks, 'task')})"


def service_groups(hosts: Sequence[HostRecord]) -> list[ServiceGroup]:
    """Return the judged containers of hosts, in order; alike tasks are one group."""
    found: list[ServiceGroup] = []
    tasks: dict[tuple[object, ...], ServiceGroup] = {}
    for host in hosts:
        for container in host["containers"]:
            group = ServiceGroup(host, container)
            # All nodes of a swarm have the same id of a service, and no other swarm has it.
            if service := container.get("service_id"):
                key = (service, *map(_key, container["findings"] or ()))
                if key in tasks:
                    tasks[key].tasks += 1
                    continue
                tasks[key] = group
            found.append(group)
    return found


def findings(hosts: Sequence[HostRecord]) -> Iterator[FindingRecord]:
    """Yield the findings of all containers; those of a service once, for whichever task."""
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
