"""Containers that don't run, and that would answer in another's network."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

from pytest_exposed.engine.calls import LostError
from pytest_exposed.engine.queries import EngineQueries
from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import EngineError, ObservationError
from pytest_exposed.model import NO_IMAGE, Container
from pytest_exposed.model.containers import StoppedJoiner
from pytest_exposed.model.ports import Ports
from pytest_exposed.observation.command import is_own
from pytest_exposed.text import printable

_MOST_ASKED = 5
"""Containers whose joined one is asked for: each takes a request."""

_MODE = "container:"


class StoppedJoiners:
    """The containers that don't run and joined another's network; asked for once, if at all."""

    def __init__(self, queries: EngineQueries, running: Collection[str]) -> None:
        """Take the ids of containers that run: whose network they joined is there."""
        self._queries = queries
        self._running = running

    def of(self, container: Container) -> tuple[StoppedJoiner, ...]:
        """Return those that joined a container's network, or one that is there no more."""
        sharing = {_MODE + x.id for x in (container, *container.neighbours)}
        own = [x for x in self._joined if x.network_mode in sharing]
        joiners = [_joiner(self._queries, x, is_lost=False) for x in own]
        return (*joiners, *(_joiner(self._queries, x, is_lost=True) for x in self._lost))

    @cached_property
    def _joined(self) -> list[Listed]:
        try:
            stopped = self._queries.not_running({})
        except LostError:
            raise
        except EngineError:  # a proxy refuses the question
            return []
        self._there = {_MODE + x for x in (*self._running, *(x.id for x in stopped))}
        return [x for x in stopped if (x.network_mode or "").startswith(_MODE)]

    @cached_property
    def _lost(self) -> list[Listed]:
        asked = [x for x in self._joined if x.network_mode not in self._there][:_MOST_ASKED]
        return [x for x in asked if self._queries.has_lost_network(x)]


def _joiner(queries: EngineQueries, listed: Listed, *, is_lost: bool) -> StoppedJoiner:
    try:
        image = queries.images.of(listed)
    except ObservationError:
        image = NO_IMAGE
    # Another command than the image's, as of a migration, serves nobody knows what.
    serves = image.documented if is_own(listed.command, image) else Ports()
    return StoppedJoiner(printable(listed.name), serves, is_lost)
