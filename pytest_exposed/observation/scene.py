"""What the first four steps found, for attribution and judgement."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import ObservationError
from pytest_exposed.model import Process
from pytest_exposed.observation.complete import Inspections, Publishing
from pytest_exposed.observation.netns import SharedNetns
from pytest_exposed.sockets.reading import SocketSnapshots
from pytest_exposed.values import dataclass

ProcessesOf = Callable[[str, Collection[int]], dict[int, tuple[Process, ...]]]
"""Returns the processes of a container that hold each of the sockets, as far as visible."""


@dataclass(frozen=True, slots=True)
class Scene:
    """The wanted containers and those that may share their network namespaces, by their ids."""

    containers: Mapping[str, Listed]
    """With what their list entries lacked."""
    netns_owners: Mapping[str, str]
    """Whose network namespace each is said to be in: a container's id, or "host"."""
    readings: SocketSnapshots
    """The sockets of each, or why no source sees them."""
    troubles: Mapping[str, ObservationError]
    """Why something other than the sockets is unknown, by id."""
    netns: SharedNetns
    """Which of them are in one network namespace."""
    inspections: Inspections
    publishing: Publishing
    processes_of: ProcessesOf
    began: float
    """When the observation began, by unpatched.monotonic()."""
