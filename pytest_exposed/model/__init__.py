"""Values without dependencies: ports, addresses, containers, images, listeners, findings."""

from pytest_exposed.model.containers import (
    NO_IMAGE,
    CommandOverride,
    Container,
    Finding,
    Image,
    Observed,
)
from pytest_exposed.model.listeners import (
    Forwarding,
    Kind,
    Listener,
    Process,
    Publication,
    by_port,
    endpoint,
    publishing,
    unmapped,
    written,
)
from pytest_exposed.model.services import (
    COMPOSE_PROJECT,
    COMPOSE_SERVICE,
    SWARM_SERVICE,
    SWARM_TASK,
    Service,
    borrows_labels,
    names_of,
)

__all__ = [
    "COMPOSE_PROJECT",
    "COMPOSE_SERVICE",
    "NO_IMAGE",
    "SWARM_SERVICE",
    "SWARM_TASK",
    "CommandOverride",
    "Container",
    "Finding",
    "Forwarding",
    "Image",
    "Kind",
    "Listener",
    "Observed",
    "Process",
    "Publication",
    "Service",
    "borrows_labels",
    "by_port",
    "endpoint",
    "names_of",
    "publishing",
    "unmapped",
    "written",
]
