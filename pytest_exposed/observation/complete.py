"""Complete: add what the engine's list leaves out of some containers, from inspections."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_exposed.engine.queries import EngineQueries
from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import GoneError, ObservationError
from pytest_exposed.model.ports import Ports
from pytest_exposed.observation.netns import with_netns_mates
from pytest_exposed.values import dataclass

if TYPE_CHECKING:
    from pytest_exposed.engine.inspection import Inspected

Publishing = Callable[[], frozenset[str]]
"""Returns the names of the networks for which the list has containers' ports; none if unknown."""


class Inspections:
    """The inspections of one observation: each container is inspected once."""

    def __init__(self, queries: EngineQueries) -> None:
        self._queries = queries
        self._known: dict[str, Inspected] = {}

    def learn(self, containers: Iterable[Listed]) -> None:
        """Inspect containers together."""
        self._known |= self._queries.inspections(x for x in containers if x.id not in self._known)

    def of(self, listed: Listed) -> Inspected:
        """Return what the list leaves out of a container; raises as EngineQueries.inspect does."""
        if listed.id not in self._known:
            self._known[listed.id] = self._queries.inspect(listed)
        return self._known[listed.id]

    def known(self, identity: str) -> Inspected | None:
        """Return what was learned of a container; None where it was not inspected."""
        return self._known.get(identity)


@dataclass(frozen=True, slots=True)
class Completed:
    """The wanted containers, and those that may share a network namespace with them."""

    containers: dict[str, Listed]
    """By their ids."""
    troubles: dict[str, ObservationError]
    """Why a container's missing data could not be had, by its id."""


def complete(
    wanted: Sequence[Listed],
    everyone: Sequence[Listed],
    inspections: Inspections,
    publishing: Publishing,
    *,
    at_run: bool = False,
) -> Completed:
    """Return the wanted containers and their possible neighbours, with what the list lacks.

    at_run is whether all declared ports are needed: the list has only those of networks.
    """
    near = with_netns_mates(wanted, everyone)
    inspections.learn(x for x in near if at_run or may_lack_ports(x, publishing))
    found = Completed({}, {})
    for listed in near:
        found.containers[listed.id] = listed
        try:
            found.containers[listed.id] = completed(listed, inspections, publishing, at_run=at_run)
        except GoneError:  # diagnosis.py says so later
            continue
        except ObservationError as error:
            found.troubles[listed.id] = error
    return found


def completed(
    listed: Listed, inspections: Inspections, publishing: Publishing, *, at_run: bool = False
) -> Listed:
    """Return a container with what its list entry lacks; raises as EngineQueries.inspect does."""
    if not at_run and not may_lack_ports(listed, publishing):
        return listed
    inspected = inspections.of(listed)
    joined = inspected.network_mode.startswith("container:")
    in_pod = replace(listed, network_mode=inspected.network_mode).pod_network is not None
    published = listed.published
    if listed.network_mode is None:
        # Of adjoining ports podman's list that is docker's has the first one.
        bound = {x.port for x in inspected.published}
        others = (x for x in published if x.ingress or x.port not in bound)
        published = (*inspected.published, *others)
    if joined and not in_pod:
        published = ()  # podman has those of the other one; -p is refused for such containers
    return replace(
        listed,
        network_mode=inspected.network_mode,
        published=published,
        declared=listed.declared | inspected.declared | Ports(x.port for x in published),
    )


def may_lack_ports(listed: Listed, publishing: Publishing) -> bool:
    """Return whether the list may lack ports of a container."""
    mode = listed.network_mode
    apart = mode in (None, "host", "none") or mode.startswith("container:")
    return apart or not _has_its_ports(listed, publishing)


def _has_its_ports(listed: Listed, publishing: Publishing) -> bool:
    """Return whether the list entry has the container's ports, and all that -p asked for."""
    if listed.endpoints and not any(x.ipv4 for x in listed.endpoints):
        return False  # -p of an IPv4 address has no effect there
    # The default network, which most are in, needs no asking.
    if listed.published or listed.networks == {"bridge"}:
        return True
    if not publishing():  # a proxy refuses the question
        return bool(listed.declared) or "bridge" in listed.networks
    # -p has no effect where a network that is no bridge has the default route.
    return listed.networks <= publishing()
