"""Swarm: the ports that services publish by ingress, which no record of a container shows.

In host mode a task's container is published on its node as by -p, and its own record has the port.
Ingress, the routing mesh on all nodes, is only in the service's record, and only a manager lists
services.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from pytest_exposed.engine.api import Api
from pytest_exposed.engine.calls import LostError
from pytest_exposed.engine.json_fields import JsonObject, as_dict, as_labels, as_list, as_texts
from pytest_exposed.engine.records import INGRESS, PUBLICATIONS_UNKNOWN
from pytest_exposed.errors import EngineError
from pytest_exposed.model import SWARM_TASK, Service
from pytest_exposed.text import printable

REMEDY = "audit the swarm through a manager that answers, with --docker-host swarm://MANAGER"
"""What to do if the services' ports are unknown."""


def service_of(container: JsonObject) -> Service | None:
    """Return the Swarm service of a listed container, or None if it is no task."""
    labels = as_labels(container.get("Labels"))
    names = [x.removeprefix("/") for x in as_texts(container.get("Names"))]
    task = labels.get(SWARM_TASK, "")
    service = Service.of(labels, task if task in names else "".join(names[:1]))
    return service if service is not None and service.id is not None else None


def joined(
    containers: Sequence[JsonObject], services: Sequence[JsonObject] | str
) -> list[JsonObject]:
    """Return an engine's records of containers; tasks also have their services' published ports.

    services are the records of `GET /services`, or the reason why there are none.
    """
    if isinstance(services, str):
        return [
            {**x, PUBLICATIONS_UNKNOWN: _why_unknown(service, services)}
            if (service := service_of(x))
            else {**x}
            for x in containers
        ]
    ports = {str(x.get("ID")): _ports(x) for x in services}
    found = []
    for container in containers:
        service = service_of(container)
        published = ports.get(service.id or "", []) if service is not None else []
        found.append({**container, "Ports": [*as_list(container.get("Ports")), *published]})
    return found


def _why_unknown(service: Service, why: str) -> str:
    return (
        f"what its service {service} publishes by ingress is unknown, and only a manager of the "
        f"swarm knows it: {printable(why)}"
    )


def _ports(service: JsonObject) -> list[JsonObject]:
    """Return the ports that a service publishes by ingress, in the form of the list's Ports."""
    entries = as_list(as_dict(service.get("Endpoint")).get("Ports"))
    return [
        {
            "IP": "0.0.0.0",  # noqa: S104  # the mesh is IPv4's, on every interface of every node
            "PrivatePort": entry.get("TargetPort"),
            "PublicPort": entry.get("PublishedPort"),
            "Type": entry.get("Protocol"),
            INGRESS: True,
        }
        for entry in map(as_dict, entries)
        if entry.get("PublishMode") != "host"
    ]


def services_of(api: Api, timeout: float) -> Sequence[JsonObject] | str:
    """Return the services of an engine's swarm, or why they are unknown.

    timeout is for each answer of a manager, in seconds. An engine outside any swarm has no
    services, whatever the labels of its containers say.
    """
    manager = api.host.manager
    try:
        if manager is None:
            return api.services()
        with closing(Api(manager, timeout)) as other:
            return other.services()
    except EngineError as error:
        if manager is None and isinstance(error, LostError):
            raise
        return [] if manager is None and _is_in_no_swarm(api) else str(error)


def _is_in_no_swarm(api: Api) -> bool:
    try:
        swarm = as_dict(api.info().get("Swarm"))
    except LostError:
        raise
    except EngineError:  # a proxy that refuses this request
        return False
    return swarm.get("LocalNodeState") == "inactive"
