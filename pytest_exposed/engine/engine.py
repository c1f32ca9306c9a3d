"""An engine: its containers as observed snapshots, and its images."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from pytest_exposed.engine.api import Api, LostError, filter_values, timeout_of
from pytest_exposed.engine.helper import is_helper
from pytest_exposed.engine.hosts import Given, resolve
from pytest_exposed.engine.images import Images
from pytest_exposed.engine.names import (
    ambiguous,
    exact,
    find,
    name_of,
    names_to_suggest,
    unknown,
)
from pytest_exposed.engine.records import (
    Inspected,
    Listed,
    RecordError,
    publishes,
    when,
)
from pytest_exposed.engine.remote import EngineRemote
from pytest_exposed.engine.round import Round
from pytest_exposed.engine.services import services_of
from pytest_exposed.engine.swarm import joined, service_of
from pytest_exposed.engine.untyped import JsonObject
from pytest_exposed.engine.verdicts import Observed
from pytest_exposed.errors import (
    ConfigurationError,
    EngineError,
    GoneError,
    HelperLeftWarning,
    NotFoundError,
    ObservationError,
)
from pytest_exposed.model import Container, Image
from pytest_exposed.rules import Rule
from pytest_exposed.rules.acceptance import Acceptance
from pytest_exposed.rules.baseline import read
from pytest_exposed.rules.selection import select as rules_of
from pytest_exposed.rules.selection import split
from pytest_exposed.rules.waivers import Waiver
from pytest_exposed.sockets import SOURCES
from pytest_exposed.text import printable

if TYPE_CHECKING:
    from typing_extensions import Self  # typing's came with Python 3.11


class Engine:
    """One docker engine, read-only; a context manager that closes its connections.

    host is an address (unix://, tcp://, ssh://, npipe://, http(s)://) or the name of a docker
    context; None is the default one, in the docker CLI's order. source is auto,
    netlink, procfs, helper or exec; helper_image the image of the helper container.
    select and ignore are rules and groups that snapshots are judged by, names or comma-separated
    ones; allow are waivers, `CONTAINER-GLOB: RULE-OR-PORT, … [until YYYY-MM-DD]  # reason`, or
    lines of them; allow_labels lets images and containers have waivers of their own; baseline is a
    file of accepted findings. Raises ConfigurationError for what can't be one of these, EngineError
    where no engine answers.
    """

    def __init__(
        self,
        host: Given = None,
        *,
        source: str = "auto",
        select: str | Sequence[str] = (),
        ignore: str | Sequence[str] = (),
        helper_image: str | None = None,
        allow: str | Sequence[str] = (),
        allow_labels: bool = False,
        baseline: str | Path | None = None,
        timeout: float | None = None,
    ) -> None:
        """Connect to the engine; timeout, in seconds, bounds each answer of it as a whole."""
        try:
            where = resolve(host)
        except ConfigurationError as error:
            raise error.with_traceback(None) from None
        finally:
            # It can hold a password, as the environment can, and pytest shows what functions had.
            del host
        if source not in SOURCES:
            raise ConfigurationError(
                f"{source!r} is not a source of sockets: choose one of {', '.join(SOURCES)}"
            )
        self.source = source
        self.rules: tuple[Rule, ...] = rules_of(split(select), split(ignore))
        waivers = allow.splitlines() if isinstance(allow, str) else allow
        self.acceptance = Acceptance(
            tuple(Waiver.parse(x) for x in waivers if x.strip()),
            allow_labels,
            read(Path(baseline)) if baseline is not None else frozenset(),
        )
        self._timeout = timeout_of(timeout)
        self._api = Api(where, self._timeout)
        self.remote = EngineRemote(self._api, helper_image)
        self.images = Images(self._api)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._close()

    def __repr__(self) -> str:
        return f"Engine({self.host!r})"

    def close(self) -> None:
        """Remove the helper container, if there is one, and close the connections to the engine.

        Warns with a HelperLeftWarning where it may be left.
        """
        self._close()

    def _close(self) -> None:
        if left := self.release():
            warnings.warn(HelperLeftWarning(left), stacklevel=3)

    def release(self) -> str | None:
        """Do what close does; return a line on a helper that may be left, instead of a warning."""
        try:
            return self.remote.close()
        finally:
            self._api.close()

    @property
    def host(self) -> str:
        """The engine's address, without user info."""
        return self._api.host.shown

    @property
    def label(self) -> str:
        """A short name of the engine, as in test ids."""
        return self._api.host.label

    def now(self) -> datetime | None:
        """Return the time by the engine's clock; None where it doesn't tell."""
        return when(self._api.info().get("SystemTime"))

    def default_runtime(self) -> str:
        """Return the name of the runtime that containers get which ask for none."""
        name = self._api.info().get("DefaultRuntime")
        return name if isinstance(name, str) else ""

    def publishing_networks(self) -> frozenset[str]:
        """Return the names of the networks whose containers' ports the list tells."""
        try:
            networks = self._api.networks()
        except LostError:
            raise
        except EngineError:  # a proxy that refuses to tell
            return frozenset()
        return frozenset(str(x.get("Name")) for x in networks if publishes(x))

    def running(self, filters: Mapping[str, Sequence[str]] | None = None) -> list[Listed]:
        """Return the running containers, those of Docker's filters only, sorted by name.

        Paused and restarting ones are among them. Raises ConfigurationError for a bad filter.
        """
        return self.parse(self.records(filters))

    def records(self, filters: Mapping[str, Sequence[str]] | None = None) -> list[JsonObject]:
        """Return the engine's own records of what running() returns.

        Those of tasks of Swarm services have what these publish.
        """
        records = self._api.containers(filters)
        if not any(map(service_of, records)):
            return records
        return joined(records, services_of(self._api, self._timeout))

    def parse(self, records: Sequence[JsonObject]) -> list[Listed]:
        """Return the containers of such records; EngineError where an engine sends no such ones."""
        try:
            found = [Listed.from_record(x) for x in records]
            found = [x for x in found if not is_helper(x)]
        except RecordError as error:
            raise EngineError(
                f"{self.host}: GET /containers/json answered what no engine does: {error}"
            ) from None
        return sorted(found, key=lambda x: (x.name, x.id))

    def inspect(self, container: Listed | Container) -> Inspected:
        """Return what the list leaves out; GoneError where the container has been removed."""
        try:
            return Inspected.from_record(self._api.container(container.id))
        except NotFoundError:
            raise GoneError(f"{printable(container.name)} is gone since the run began") from None

    def inspections(self, containers: Iterable[Listed]) -> dict[str, Inspected]:
        """Return by their ids what inspect does; those that are missing are left to it."""
        records = self._api.inspections("containers", [x.id for x in containers])
        # Another's would look right.
        return {key: Inspected.from_record(x) for key, x in records if x.get("Id") == key}

    def observe(
        self,
        wanted: Sequence[Listed],
        everyone: Sequence[Listed],
        *,
        owners: bool = False,
        rules: Sequence[Rule] | None = None,
    ) -> dict[str, Observed]:
        """Return a snapshot of each wanted container by its id, or why there is none.

        everyone are all running containers, with whom the wanted ones may share their network.
        The processes that hold listeners are looked up where something is wrong, for all with
        owners. rules are what they are judged by, those of the engine by default.
        """
        rules = self.rules if rules is None else rules
        return Round(self, wanted, everyone).answers(rules, owners=owners)

    def find(self, container: object) -> tuple[Listed, list[Listed]]:
        """Return the container that is meant, stopped ones included, and all running ones.

        Raises NotFoundError where there is none, or several, ConfigurationError for what can't be
        one.
        """
        found, everyone = self.find_tasks(container)
        if len(found) > 1:
            raise ambiguous(name_of(container), found)
        return found[0], everyone

    def find_tasks(self, container: object) -> tuple[list[Listed], list[Listed]]:
        """Return the container that is meant, or the tasks of a Swarm service, as find does."""
        name = name_of(container)
        everyone = self.running()
        found = exact(name, everyone)
        if not found:
            # A stopped container's own name comes before a running one's service or id.
            every = self.parse(self._api.all_containers())
            found = exact(name, every) or find(name, everyone) or find(name, every)
            if not found:
                raise unknown(name, "container", names_to_suggest(every), self.host)
        return found, everyone

    def container(self, container: object) -> Container:
        """Return a snapshot of a container: a name, an id or its beginning, a service, an object.

        Raises NotFoundError where there is none or several, NotRunningError where it doesn't run,
        ObservationError where its sockets can't be seen.
        """
        listed, everyone = self.find(container)
        return self._snapshots([listed], everyone)[0]

    def tasks(self, container: object) -> list[Container]:
        """Return snapshots of the running tasks of a Swarm service; of anything else, as container.

        They are those on this engine: other nodes of the swarm have engines of their own.
        """
        return self._snapshots(*self.find_tasks(container))

    def containers(self, **filters: str | Sequence[str]) -> list[Container]:
        """Return snapshots of the running containers, sorted by name; filters are Docker's own.

        For example `containers(label="tier=front", name=["web", "db"])`. Raises ObservationError
        where the sockets of one can't be seen.
        """
        wanted = {k: filter_values(k, v) for k, v in filters.items()}
        everyone = self.running()
        chosen = {x.id for x in self.running(wanted)} if wanted else {x.id for x in everyone}
        return self._snapshots([x for x in everyone if x.id in chosen], everyone)

    def _snapshots(self, wanted: Sequence[Listed], everyone: Sequence[Listed]) -> list[Container]:
        snapshots = []
        for answer in self.observe(wanted, everyone, owners=True).values():
            if isinstance(answer, ObservationError):
                raise answer
            snapshots.append(answer)
        return snapshots

    def image(self, image: object) -> Image:
        """Return an image: by name, by id, or by an object of the docker SDK or of ours.

        Raises NotFoundError where the engine has none of that name.
        """
        return self.images.find(image)

    def last_lines(self, container: Listed | Container) -> str:
        """Return the last lines that a container logged, escaped; empty where there are none."""
        return self._api.last_lines(container.id)
