"""Containers that don't run, and that would answer in another's network."""

from __future__ import annotations

from functools import cached_property

from pytest_exposed.engine.calls import LostError
from pytest_exposed.engine.queries import EngineQueries
from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import EngineError, ObservationError
from pytest_exposed.model import Container
from pytest_exposed.model.containers import StoppedJoiner
from pytest_exposed.model.ports import Ports
from pytest_exposed.text import printable

_MOST_ASKED = 5
"""Containers whose joined one is asked for: each takes a request."""


class StoppedJoiners:
    """The containers that don't run and joined another's network; asked for once, if at all."""

    def __init__(self, queries: EngineQueries) -> None:
        self._queries = queries

    def of(self, container: Container) -> tuple[StoppedJoiner, ...]:
        """Return those that joined a container's network, or one that is there no more."""
        own = [x for x in self._joined if x.network_mode == f"container:{container.id}"]
        return tuple(_joiner(self._queries, x) for x in (*own, *self._lost))

    @cached_property
    def _joined(self) -> list[Listed]:
        try:
            stopped = self._queries.not_running({})
        except LostError:
            raise
        except EngineError:  # a proxy refuses the question
            return []
        return [x for x in stopped if (x.network_mode or "").startswith("container:")]

    @cached_property
    def _lost(self) -> list[Listed]:
        return [x for x in self._joined[:_MOST_ASKED] if self._queries.has_lost_network(x)]


def _joiner(queries: EngineQueries, listed: Listed) -> StoppedJoiner:
    try:
        documented = queries.images.of(listed).documented
    except ObservationError:
        documented = Ports()
    return StoppedJoiner(printable(listed.name), listed.network_mode or "", documented)
