"""Finds the container that a user means: by name, id, prefix of an id, service, or object."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import ConfigurationError, NotFoundError
from pytest_exposed.model import (
    COMPOSE_PROJECT,
    COMPOSE_SERVICE,
    SWARM_SERVICE,
    Container,
    borrows_labels,
)
from pytest_exposed.text import did_you_mean, printable

# https://docs.docker.com/reference/compose-file/services/#labels
_NUMBER = "com.docker.compose.container-number"

SHORTEST_ID = 4
"""Characters of an id's prefix: a shorter text is more likely a name."""

_CONTAINER_CONNECTIONS = ("docker", "podman")


def name_of(container: object, *, of_podman: bool | None = None) -> str:
    """Return the name or id of a container, given in any form.

    of_podman says whether the engine that is asked is podman: where it isn't, a host of podman's is
    none of its containers, though one may have that name.

    Accepted are a name, a snapshot, an object of the docker SDK or of testcontainers, any other
    object with an `id`, and a testinfra host with the backend docker, podman, or ansible with a
    container's connection. Raises ConfigurationError (a ValueError) for anything else.
    """
    if isinstance(container, str) and container:
        return container
    if isinstance(container, Container):
        return container.id
    backend = getattr(container, "backend", None)
    if callable(getattr(backend, "get_connection_type", None)):
        kind, name = _of_host(backend)
        if kind == "podman" and of_podman is False:
            raise ConfigurationError(
                f"the testinfra host {printable(name)} is a container of podman, and the engine is "
                "docker's: name podman's, such as --docker-host=unix:///run/podman/podman.sock"
            )
        return name
    wrapped = _unwrapped(container)
    identity = getattr(wrapped, "id", None)
    is_image = isinstance(identity, str) and identity.startswith("sha256:")
    if isinstance(identity, str) and identity and not is_image:
        return identity
    raise ConfigurationError(
        f"{printable(repr(container))} is not a container: give its name, its id, a Compose "
        "or Swarm service, an object with its id, as the docker SDK and testcontainers have, a "
        "snapshot, or a testinfra host of a container"
    )


def _unwrapped(container: object) -> object:
    """Return the docker SDK's object in an object of testcontainers; any other as it is."""
    unwrap = getattr(container, "get_wrapped_container", None)
    if not callable(unwrap):
        return container
    try:
        inner: object = unwrap()
    except Exception:  # noqa: BLE001  # ContainerStartException; the package may be missing
        inner = None
    if inner is None:  # as in older versions
        raise ConfigurationError(
            f"{printable(repr(container))} has no container yet: start it first"
        )
    return inner


def _of_host(backend: Any) -> tuple[str, str]:
    """Return the connection and the container's name of a testinfra backend."""
    kind = backend.get_connection_type()
    if kind in _CONTAINER_CONNECTIONS:
        return kind, str(backend.name)
    found = f"its connection is {printable(str(kind))}"
    if kind == "ansible":
        try:
            variables = backend.get_variables()
        except Exception as error:  # noqa: BLE001  # whatever ansible-inventory raises
            raise ConfigurationError(
                f"testinfra can't read the variables of its host: {printable(str(error))}; is "
                "ansible-inventory on the path, and the inventory right?"
            ) from None
        connection = str(variables.get("ansible_connection", "ssh"))
        # community.docker.docker, community.docker.docker_api, containers.podman.podman
        plugin = connection.rpartition(".")[2]
        if plugin in (*_CONTAINER_CONNECTIONS, "docker_api"):
            named = variables.get("ansible_docker_host") or variables.get("ansible_host")
            return plugin, str(named or backend.get_hostname())
        found = f"its ansible_connection is {printable(connection)}"
    hostname = printable(str(backend.get_hostname()))
    raise ConfigurationError(
        f"the testinfra host {hostname} is not a container: {found}, and a container's is docker, "
        "podman, or ansible with one of these; give the container's name instead"
    )


def exact(name: str, containers: Iterable[Listed]) -> list[Listed]:
    """Return the container with this exact name or full id, if there is one."""
    own = name.removeprefix("/")
    return [x for x in containers if own in (x.name, x.own_name) or name == x.id][:1]


def find(name: str, containers: Sequence[Listed]) -> list[Listed]:
    """Return the containers of a service, or the container of an id's prefix.

    A service is Compose's ("web", "web-2", "project/web") or Swarm's; Swarm's may have several
    running tasks. Raises NotFoundError if the name is ambiguous.
    """
    prefix = re.fullmatch("[0-9a-f]+", name) is not None and len(name) >= SHORTEST_ID
    found = [
        x for x in containers if name in _service_names(x) or (prefix and x.id.startswith(name))
    ]
    if len(found) > 1:
        # Replaced tasks of a service have stopped.
        found = [x for x in found if x.state == "running"] or found
    services = {(x.service.name, x.service.id) if x.service else None for x in found}
    tasks = len(services) == 1 and all(x and x[1] and x[0] == name for x in services)
    if len(found) > 1 and not tasks:
        raise ambiguous(name, found)
    return found


def ambiguous(name: str, found: Sequence[Listed]) -> NotFoundError:
    """Return the error for a name that several containers have."""
    shown = ", ".join(f"{printable(x.name)} ({x.id[:12]})" for x in found[:8])
    more = f" and {len(found) - 8} more" if len(found) > 8 else ""
    return NotFoundError(
        f"{printable(name)!r} could be {len(found)} containers: {shown}{more}; "
        "say which by its name"
    )


def _service_names(listed: Listed) -> set[str]:
    """Return the names of a container's service."""
    if borrows_labels(listed.name, listed.labels, listed.image_id):
        return set()
    swarm = listed.labels.get(SWARM_SERVICE)
    names = {swarm} if swarm else set()
    if service := listed.labels.get(COMPOSE_SERVICE):
        own = [service]
        if listed.labels.get(_NUMBER):
            own.append(f"{service}-{listed.labels[_NUMBER]}")
        project = listed.labels.get(COMPOSE_PROJECT)
        names.update(own)
        names.update(f"{project}/{x}" for x in own if project)
    return names


def unknown(name: str, what: str, known: Iterable[str], host: str, hint: str = "") -> NotFoundError:
    """Return the error for an unknown name, with a hint, or else the nearest known one."""
    near = hint or did_you_mean(name, known)
    return NotFoundError(f"no {what} {printable(name)!r}{near} (on {host})")


def names_to_suggest(containers: Iterable[Listed]) -> set[str]:
    """Return the names that mean one container, or the tasks of a Swarm service."""
    containers = tuple(containers)
    own = {x.name for x in containers}
    names = Counter(y for x in containers for y in _service_names(x))
    swarm = {x.labels.get(SWARM_SERVICE) for x in containers}
    return own | {x for x, times in names.items() if times == 1 or x in swarm}
