"""The Swarm or Compose service of a container, from its labels."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pytest_exposed.text import printable
from pytest_exposed.values import dataclass

# https://docs.docker.com/reference/compose-file/services/#labels and `docker service create`
COMPOSE_PROJECT = "com.docker.compose.project"
COMPOSE_SERVICE = "com.docker.compose.service"
SWARM_SERVICE = "com.docker.swarm.service.name"
_SWARM_ID = "com.docker.swarm.service.id"
SWARM_TASK = "com.docker.swarm.task.name"
_ONE_OFF = "com.docker.compose.oneoff"
_COMPOSE_IMAGE = "com.docker.compose.image"
_COMPOSE_NUMBER = "com.docker.compose.container-number"
_PODMAN_COMPOSE = "io.podman.compose.project"


def borrows_labels(name: str, labels: Mapping[str, str], image_id: str = "") -> bool:
    """Return whether a container has the labels of a service without being one of its containers.

    `docker compose run` starts one-offs with another command. podman-compose has no label for
    them, but the name PROJECT_SERVICE_tmpNUMBER (compose_run of podman_compose.py). And an image
    made by `docker commit` from a service's container passes the labels on to any container. A
    real task has the name of its task (daemon/cluster/executor/container of moby), and a real
    container of Compose a label with its image (ImageDigestLabel of compose's pkg/api).
    """
    if labels.get(SWARM_SERVICE):
        return labels.get(SWARM_TASK, name) != name
    if labels.get(_ONE_OFF, "").lower() == "true":
        return True
    project, service = labels.get(COMPOSE_PROJECT), labels.get(COMPOSE_SERVICE, "")
    if labels.get(_PODMAN_COMPOSE) and re.fullmatch(rf".*{re.escape(service)}[-_]tmp\d+", name):
        return True
    number = labels.get(_COMPOSE_NUMBER)
    usual = (f"{project}{x}{service}{x}{number}" for x in "-_")
    started = labels.get(_COMPOSE_IMAGE, image_id)
    return bool(image_id) and started != image_id and name not in usual


def made_by_molecule(labels: Mapping[str, str]) -> bool:
    """Return whether the labels mark an instance of Molecule."""
    return labels.get("owner") == "molecule"


@dataclass(frozen=True, slots=True)
class Service:
    """A container's service by its labels: Swarm's, or Compose's PROJECT/SERVICE."""

    name: str
    id: str | None = None
    """The id of a Swarm service; None for Compose's."""

    @classmethod
    def of(cls, labels: Mapping[str, str], name: str, image_id: str = "") -> Service | None:
        """Return the service of a container with a name and labels, or None."""
        if borrows_labels(name, labels, image_id):
            return None
        if labels.get(SWARM_SERVICE):
            return cls(labels[SWARM_SERVICE], labels.get(_SWARM_ID) or None)
        if labels.get(COMPOSE_PROJECT) and labels.get(COMPOSE_SERVICE):
            return cls(f"{labels[COMPOSE_PROJECT]}/{labels[COMPOSE_SERVICE]}")
        return None

    def __str__(self) -> str:
        return printable(self.name)


def names_of(name: str, service: str | None, pod: str | None = None) -> tuple[str, ...]:
    """Return a container's names in waivers: its own, its service's, and POD/NAME."""
    in_pod = [f"{pod}/{name}"] if pod and pod != name else []
    return (name, *([service] if service else []), *in_pod)
