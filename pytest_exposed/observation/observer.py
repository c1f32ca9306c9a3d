"""An engine, and how its containers are observed: what the rest of the package asks."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_exposed.engine.hosts import Host
from pytest_exposed.engine.queries import EngineQueries
from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import ObservationError
from pytest_exposed.model import Container, Observed
from pytest_exposed.observation.complete import completed
from pytest_exposed.observation.observe import observe
from pytest_exposed.rules import Rule
from pytest_exposed.rules.acceptance import Acceptance
from pytest_exposed.unpatched import real_files


class Observer(EngineQueries):
    """One engine as the rest of the package sees it; Engine is what users see of it."""

    def __init__(
        self,
        host: Host,
        *,
        source: str,
        rules: Sequence[Rule],
        acceptance: Acceptance,
        helper_image: str | None,
        timeout: float,
    ) -> None:
        """Connect to host; source, rules and acceptance are how containers are seen and judged."""
        super().__init__(host, helper_image=helper_image, timeout=timeout)
        self.source = source
        self.rules = tuple(rules)
        self.acceptance = acceptance

    def observe(
        self,
        wanted: Sequence[Listed],
        everyone: Sequence[Listed],
        *,
        owners: bool = False,
        rules: Sequence[Rule] | None = None,
    ) -> dict[str, Observed]:
        """Return a snapshot of each wanted container by its id, or why there is none.

        everyone are all running containers, which may share their network with the wanted ones.
        The processes that hold listeners are looked up where something is wrong, for all with
        owners. rules are those to judge by, those of the engine by default.
        """
        self.answers = False
        with real_files():
            found = observe(
                self,
                wanted,
                everyone,
                source=self.source,
                rules=self.rules if rules is None else rules,
                acceptance=self.acceptance,
                owners=owners,
            )
        self.answers = True
        return found

    def snapshots(self, wanted: Sequence[Listed], everyone: Sequence[Listed]) -> list[Container]:
        """Return snapshots of the wanted containers; raises what is known of one instead."""
        snapshots = []
        for answer in self.observe(wanted, everyone, owners=True).values():
            if isinstance(answer, ObservationError):
                raise answer
            snapshots.append(answer)
        return snapshots

    def completed(self, listed: Listed) -> Listed:
        """Return a container with its own publications: podman lists those of a joined one."""
        if listed.network_mode is not None:
            return listed
        return completed(listed, self.inspect, self.publishing_networks)
