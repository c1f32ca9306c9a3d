"""Locate: where to find a container's processes and network namespace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from pytest_exposed.engine.queries import EngineQueries
from pytest_exposed.engine.records import Listed
from pytest_exposed.observation.complete import Inspections
from pytest_exposed.observation.diagnosis import RUNNING_STATES
from pytest_exposed.observation.netns import NetnsOwners
from pytest_exposed.sockets.reading import Target


class Locations:
    """Where to look for some containers, and for those that may share their namespaces."""

    def __init__(
        self,
        containers: Mapping[str, Listed],
        everyone: Iterable[Listed],
        inspections: Inspections,
        queries: EngineQueries,
    ) -> None:
        """Take the containers by their ids, and all that run."""
        self._containers = containers
        self._inspections = inspections
        self._queries = queries
        owners = NetnsOwners(containers.get(x.id, x) for x in everyone)
        self.netns_owners = {x: owners.of(y) or x for x, y in containers.items()}
        """Whose network namespace each is said to be in: a container's id, or "host"."""
        self._may_be_anyones = {x.id for x in containers.values() if owners.may_be_anyones(x)}
        # An infra container listens on nothing: a container alone with it shares with nobody.
        self._sharing = Counter(
            y for x, y in self.netns_owners.items() if not containers[x].is_infra
        )

    def targets(self) -> list[Target]:
        """Return a target for each container that has processes."""
        return [self.target(x) for x in self._containers.values() if x.state in RUNNING_STATES]

    def target(self, listed: Listed) -> Target:
        """Return what a source needs to see a container."""
        owner = self.netns_owners[listed.id]
        others = self._sharing[owner] - (not listed.is_infra)
        may_be_anyones = listed.id in self._may_be_anyones
        shares = owner == "host" or others > 0 or (may_be_anyones and len(self._containers) > 1)
        return Target(
            listed.id,
            listed.addresses,
            owner,
            shares,
            lambda: self._inspections.of(listed).pid,
            lambda: self._sandbox(listed, owner),
            lambda: self._queries.inspect(listed).addresses,
            may_be_anyones,
        )

    def _sandbox(self, listed: Listed, owner: str) -> str:
        """Return the file of a container's network namespace; empty where the engine has none."""
        _, of_file, path = (listed.network_mode or "").partition("ns:")
        if of_file:
            return path
        holder = listed if owner == "host" else self._containers.get(owner)
        return self._inspections.of(holder).sandbox if holder is not None else ""
