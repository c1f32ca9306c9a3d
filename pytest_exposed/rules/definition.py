"""Where a container is defined: a service of a Compose file, or a platform of a molecule.yml. Pure.

Its reader can edit that file, and has often no Dockerfile.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pytest_exposed.model import Container
from pytest_exposed.model.ports import Port
from pytest_exposed.model.services import COMPOSE_SERVICE, made_by_molecule
from pytest_exposed.text import printable

_FILES = "com.docker.compose.project.config_files"
"""A label of Compose: the paths of its files, with commas between (api/labels.go of its pkg)."""

_RUN = "set `exposed_documented = run` in pytest.ini"


class Definition(NamedTuple):
    """What defines a container, and its settings for ports."""

    place: str
    """In words: "service web in compose.yaml"."""
    declares: str
    """The setting of the ports that the container declares."""
    publishes: str
    """The setting of those that it publishes."""

    def to_document(self, container: Container, port: Port) -> str | None:
        """Return how the definition documents a port; None for a container that can't declare any.

        Docker refuses --expose for one that joins another's network.
        """
        if port in container.declared:
            return f"{_RUN} to count what {self.place} declares"
        if container.network_mode.startswith("container:"):
            return None
        counted = f", and {_RUN}" if container.documented_at_run is None else ""
        return f'add "{port}" to `{self.declares}` of {self.place}{counted}'


def definition_of(container: Container) -> Definition | None:
    """Return what defines a container; None where no label says it."""
    if made_by_molecule(container.labels):
        place = f"platform {container} in molecule.yml"
        return Definition(place, "exposed_ports", "published_ports")
    # A one-off has other settings than its service, and a Swarm service is in no Compose file.
    if container.service is None or container.service.id is not None:
        return None
    service = container.labels.get(COMPOSE_SERVICE)
    if not service:
        return None
    first = container.labels.get(_FILES, "").partition(",")[0]
    file = re.split(r"[/\\]", first)[-1]
    shown = "its Compose file" if file in ("", "-") else printable(file, 60)
    return Definition(f"service {printable(service, 60)} in {shown}", "expose", "ports")


def in_definition(container: Container) -> str:
    """Return where a container's declared ports are written, to be put behind a fix."""
    found = definition_of(container)
    return f" (`{found.declares}` of {found.place})" if found else ""


def in_publications(container: Container) -> str:
    """Return where a container's publications are written, to be put behind a fix."""
    found = definition_of(container)
    return f" (`{found.publishes}:` of {found.place})" if found else ""
