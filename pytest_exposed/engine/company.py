"""The containers of one look, and what an engine tells of them beyond its list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pytest_exposed.engine.command import is_own, substitute
from pytest_exposed.engine.ended import RUNS
from pytest_exposed.engine.neighbours import Places, with_neighbours
from pytest_exposed.engine.records import Inspected, Listed
from pytest_exposed.engine.unlisted import Unlisted
from pytest_exposed.errors import EngineError, GoneError, ObservationError
from pytest_exposed.model import Container, Substitute
from pytest_exposed.sockets.reading import Target

if TYPE_CHECKING:
    from pytest_exposed.engine.observer import Observer


class Company:
    """Some containers of an engine and those whose network they may share; each inspected once."""

    def __init__(
        self, observer: Observer, wanted: Sequence[Listed], everyone: Sequence[Listed]
    ) -> None:
        """Take the containers that are wanted, and all that run."""
        self._observer = observer
        self._inspected: dict[str, Inspected] = {}
        unlisted = Unlisted(observer, self.inspect)
        near = with_neighbours(wanted, everyone)
        self.learn(x for x in near if unlisted.may_lack_ports_of(x))
        self.troubles: dict[str, ObservationError] = {}
        """Why what the list lacks of a container is unknown, by its id."""
        self._containers = {x.id: self._complete(unlisted, x) for x in near}
        places = Places(self._containers.get(x.id, x) for x in everyone)
        self.places = {x: places.of(y) or x for x, y in self._containers.items()}
        """Whose network namespace each is said to be in, by their ids; or "host"."""
        self._may_be_anyones = {x.id for x in self._containers.values() if places.may_be_anyones(x)}
        # Podman's own process in an infra container listens on nothing: nothing is shared with it.
        self._at_place = Counter(
            y for x, y in self.places.items() if not self._containers[x].is_infra
        )

    def _complete(self, unlisted: Unlisted, listed: Listed) -> Listed:
        try:
            return unlisted.complete(listed)
        except GoneError:  # to be said when it turns out that nothing can be seen
            return listed
        except ObservationError as error:
            self.troubles[listed.id] = error
            return listed

    def __len__(self) -> int:
        return len(self._containers)

    def __getitem__(self, identity: str) -> Listed:
        """Return a container by its id, with what its list entry lacked."""
        return self._containers[identity]

    @property
    def containers(self) -> Iterable[Listed]:
        """All of them."""
        return self._containers.values()

    def targets(self) -> list[Target]:
        """Return those that have processes, to be looked at."""
        return [self.target(x) for x in self.containers if x.state in RUNS]

    def target(self, listed: Listed) -> Target:
        """Return a container to be looked at."""
        place = self.places[listed.id]
        others = self._at_place[place] - (not listed.is_infra)
        may_be_anyones = listed.id in self._may_be_anyones
        shares = place == "host" or others > 0 or (may_be_anyones and len(self) > 1)
        return Target(
            listed.id,
            listed.addresses,
            place,
            shares,
            lambda: self.inspect(listed).pid,
            lambda: self._sandbox(listed, place),
            lambda: self._observer.inspect(listed).addresses,
            may_be_anyones,
        )

    def _sandbox(self, listed: Listed, place: str) -> str:
        """Return the file of the network namespace of a container, whose it is said to be.

        Empty where that isn't told.
        """
        _, of_file, path = (listed.network_mode or "").partition("ns:")
        if of_file:
            return path
        owner = listed if place == "host" else self._containers.get(place)
        return self.inspect(owner).sandbox if owner is not None else ""

    def runs(self, target: Target) -> bool:
        """Return whether a container has processes now."""
        try:
            return self._observer.inspect(self[target.id]).state in RUNS
        except ObservationError:  # removed
            return False

    def learn(self, containers: Iterable[Listed]) -> None:
        """Inspect containers together, which takes less time than each."""
        self._inspected |= self._observer.inspections(
            x for x in containers if x.id not in self._inspected
        )

    def inspect(self, listed: Listed) -> Inspected:
        """Return what the list leaves out; raises as the engine's inspect does."""
        if listed.id not in self._inspected:
            self._inspected[listed.id] = self._observer.inspect(listed)
        return self._inspected[listed.id]

    def inspected(self, identity: str) -> Inspected | None:
        """Return what was learned of a container, if it was."""
        return self._inspected.get(identity)

    def substitute(self, container: Container) -> Substitute | None:
        """Return what a container runs instead of its image's command.

        The exact words are asked for only where the list's line is not that of the image's command.
        Podman's list leaves out entrypoints, but its containers have been inspected: see Unlisted.
        """
        listed = self[container.id]
        if listed.id not in self._inspected and is_own(listed.command, container.image):
            return container.substitute
        try:
            command = self.inspect(listed).command
        except (EngineError, ObservationError):  # no more than a hint hangs on it
            return container.substitute
        return substitute(command, container.image, container.labels)
