"""The questions to an engine: its containers, listed and inspected, and about itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_exposed.engine import podman
from pytest_exposed.engine.api import Api
from pytest_exposed.engine.calls import LostError
from pytest_exposed.engine.hosts import Host
from pytest_exposed.engine.images import Images
from pytest_exposed.engine.json_fields import JsonObject, as_dict, as_list, as_text, when
from pytest_exposed.engine.names import ambiguous, exact, find, name_of, names_to_suggest, unknown
from pytest_exposed.engine.owner import LEFT_OVER, is_helper
from pytest_exposed.engine.records import Listed, RecordError, publishes
from pytest_exposed.engine.remote import EngineRemote
from pytest_exposed.engine.swarm import joined, service_of, services_of
from pytest_exposed.errors import (
    ConfigurationError,
    EngineError,
    GoneError,
    NotFoundError,
    ObservationError,
)
from pytest_exposed.model import Container
from pytest_exposed.text import printable
from pytest_exposed.unpatched import real_files

if TYPE_CHECKING:
    from pytest_exposed.engine.inspection import Inspected

STOPPED_STATES = ("created", "exited", "dead", "removing")
"""States of a container that doesn't run; a restarting one counts as running."""

_MOST_NAMED = 3

_PATIENCE = 5
"""Seconds that an engine has at the end to list what killed runs left on it."""


class EngineQueries:
    """The questions to one engine. Each raises EngineError if the engine fails."""

    def __init__(self, host: Host, *, helper_image: str | None, timeout: float) -> None:
        """Connect to host; timeout, in seconds, bounds each answer as a whole."""
        self._timeout = timeout
        self.answers = False
        """Whether the engine answered to the end when it was last observed."""
        with real_files():  # of its TLS material
            self._api = Api(host, timeout)
        self.remote = EngineRemote(self._api, helper_image)
        """What runs on it: the helper container, and commands in its containers."""
        self.images = Images(self._api)

    @property
    def host(self) -> str:
        """The engine's address, without user info."""
        return self._api.host.shown

    @property
    def label(self) -> str:
        """A short name of the engine, as in test ids."""
        return self._api.host.label

    def close(self, *, sweep: bool = False) -> str | None:
        """Remove the helper container and close the connections; return a line where it is left.

        With sweep, as runs of pytest do, what killed runs left is removed as well.
        """
        try:
            left = self.remote.close()
            if sweep and self.answers:
                client = self._api.client
                client.timeout = min(client.timeout, _PATIENCE)
                self._sweep()
            return left
        finally:
            self._api.close()

    def _sweep(self) -> None:
        # An engine may refuse the question, or the filter.
        with suppress(EngineError, ConfigurationError):
            if self._api.containers(LEFT_OVER, every=True):
                self.remote.sweep()

    def now(self) -> datetime | None:
        """Return the time by the engine's clock; None if it hides that."""
        return when(self._api.info().get("SystemTime"))

    def default_runtime(self) -> str:
        return as_text(self._api.info().get("DefaultRuntime"))

    def publishing_networks(self) -> frozenset[str]:
        """Return the names of the networks for which the list has containers' ports."""
        try:
            networks = self._api.networks()
        except LostError:
            raise
        except EngineError:  # a proxy refuses the question
            return frozenset()
        return frozenset(str(x.get("Name")) for x in networks if publishes(x))

    @cached_property
    def make(self) -> str:
        """Who made the engine: "docker" or "podman"; empty for another, or if unknown."""
        return self._api.make()

    @cached_property
    def is_rootless(self) -> bool:
        """Whether an ordinary user runs the engine; docker and podman say it the same way."""
        options = as_list(self._api.info().get("SecurityOptions"))
        return any(as_text(x).partition(",")[0] == "name=rootless" for x in options)

    def gateway_addresses(self) -> dict[str, str]:
        """Return the addresses in docker_gwbridge by the ids of containers, those in overlays."""
        try:
            record = self._api.network("docker_gwbridge")
        except LostError:
            raise
        except (EngineError, NotFoundError):  # it is in no swarm, or a proxy refuses the question
            return {}
        found = as_dict(record.get("Containers")).items()
        return {
            str(key): as_text(as_dict(x).get("IPv4Address")).partition("/")[0] for key, x in found
        }

    def running(self) -> list[Listed]:
        """Return the running containers, paused and restarting ones among them, sorted by name."""
        return self.parse(self.records())

    def ids(self, filters: Mapping[str, Sequence[str]]) -> set[str]:
        """Return the ids that Docker's filters choose; raises ConfigurationError for a bad one."""
        return {as_text(x.get("Id")) for x in self._api.containers(filters)}

    def records(self) -> list[JsonObject]:
        """Return the engine's own records of the running containers.

        Those of a Swarm service's tasks have what the service publishes.
        """
        records = self._api.containers()
        if not any(map(service_of, records)):
            return records
        return joined(records, services_of(self._api, self._timeout))

    def not_running(self, filters: Mapping[str, Sequence[str]]) -> list[Listed]:
        """Return the containers that don't run and that Docker's filters choose, sorted by name.

        It takes one request. Raises ConfigurationError for a bad filter.
        """
        found = self.parse(self._api.stopped_containers(filters))
        return [x for x in found if x.state in STOPPED_STATES and not podman.is_infra_name(x.name)]

    def parse(self, records: Sequence[JsonObject]) -> list[Listed]:
        """Return the containers of such records; EngineError if one is malformed."""
        try:
            by_id = {x.id: x for x in map(Listed.from_record, records)}
            found = [x for x in by_id.values() if not is_helper(x)]
        except RecordError as error:
            raise EngineError(
                f"{self.host}: GET /containers/json answered what no engine does: {error}"
            ) from None
        return sorted(found, key=lambda x: (x.name, x.id))

    def inspect(self, container: Listed | Container) -> Inspected:
        """Return what the list leaves out; GoneError where the container has been removed."""
        try:
            return _inspected(self._api.container(container.id))
        except NotFoundError:
            raise GoneError(f"{printable(container.name)} is gone since the run began") from None
        except LostError:
            raise
        except EngineError as error:  # of this container: others can be looked at
            raise ObservationError(
                f"{printable(container.name)} can't be inspected: {error}"
            ) from None

    def found(self, identity: str) -> tuple[str, bool] | None:
        """Return a container's name, and whether it runs; None where it has been removed."""
        try:
            record = self._api.container(identity)
        except NotFoundError:
            return None
        running = as_dict(record.get("State")).get("Running") is True
        return as_text(record.get("Name")).removeprefix("/"), running

    def has_lost_network(self, listed: Listed) -> bool:
        """Return whether the container whose network another joined is known to be removed."""
        joined = re.fullmatch("container:([0-9a-f]{64})", listed.network_mode or "")
        try:
            return joined is not None and self.found(joined[1]) is None
        except LostError:
            raise
        except EngineError:  # a proxy refuses the question
            return False

    def inspections(self, containers: Iterable[Listed]) -> dict[str, Inspected]:
        """Return what inspect does, by id; containers that fail are missing."""
        records = self._api.inspections("containers", [x.id for x in containers])
        # The wrong container's record would look right.
        return {key: _inspected(x) for key, x in records if x.get("Id") == key}

    def find(self, container: object) -> tuple[Listed, list[Listed]]:
        """Return the container that a name or object means, and all running ones.

        It may be a stopped one. Raises NotFoundError where there is none, or several,
        ConfigurationError for what can't be one.
        """
        found, everyone = self.find_tasks(container)
        if len(found) > 1:
            raise ambiguous(name_of(container), found)
        return found[0], everyone

    def find_tasks(self, container: object) -> tuple[list[Listed], list[Listed]]:
        """Return the container that is meant, or all tasks of a Swarm service, as find does."""
        name = name_of(container, of_podman=self._api.client.is_podman)
        everyone = self.running()
        found = exact(name, everyone)
        if not found:
            # A stopped container's own name comes before a running one's service or id.
            every = self.parse(self._api.containers(every=True))
            found = exact(name, every) or find(name, everyone) or find(name, every)
            if not found:
                hint = self._is_image(name, every)
                raise unknown(name, "container", names_to_suggest(every), self.host, hint)
        return found, everyone

    def _is_image(self, name: str, every: Sequence[Listed]) -> str:
        """Return that a name is an image's, and its containers; empty where it is none's."""
        try:
            image = self._api.image(name).get("Id")
        except (EngineError, NotFoundError):
            return ""
        found = [printable(x.name) for x in every if image and x.image_id == image]
        of = f", and its containers are {', '.join(found[:_MOST_NAMED])}" if found else ""
        return f"; an image has that name{of}"

    def last_lines(self, container: Listed | Container) -> str:
        """Return the last lines that a container logged, escaped; empty where there are none."""
        return self._api.last_lines(container.id)


def _inspected(record: JsonObject) -> Inspected:
    from pytest_exposed.engine.inspection import Inspected  # noqa: PLC0415  # for few containers

    return Inspected.from_record(record)
