"""Findings for reports, each once: what is wrong with a Swarm service is so in all its tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_exposed.report.record import Record
from pytest_exposed.text import plural


@dataclass(slots=True)
class Once:
    """A finding, with the first container that has it."""

    host: Record
    container: Record
    finding: Record
    tasks: int = 0
    """How many containers have it: of a service alone more than one."""

    @property
    def name(self) -> str:
        """The name of the container, or of the service: that of a task is never the same again."""
        return str(self.container["service" if self.container.get("service_id") else "name"])

    @property
    def who(self) -> str:
        """What has the finding: a container, or a service and how many of its tasks."""
        if not self.container.get("service_id"):
            return self.name
        return f"service {self.name} ({plural(self.tasks, 'task')})"


def findings(hosts: Sequence[Record]) -> list[Once]:
    """Return the findings of hosts in order; of a service those alike in all its tasks as one."""
    found: list[Once] = []
    of_services: dict[tuple[object, ...], Once] = {}
    for host in hosts:
        for container in host["containers"]:
            for finding in container["findings"] or ():
                once = Once(host, container, finding)
                # A service's id is the same on all nodes of its swarm, and on no other.
                if service := container.get("service_id"):
                    key = (service, finding["rule"], finding["port"], finding["waived"])
                    once = of_services.setdefault(key, once)
                once.tasks += 1
                if once.tasks == 1:
                    found.append(once)
    return found
