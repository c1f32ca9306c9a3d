"""An engine, and the observation of its containers: the steps in their order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from pytest_exposed.engine.hosts import Host
from pytest_exposed.engine.queries import EngineQueries
from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import ObservationError
from pytest_exposed.model import Container, Observed
from pytest_exposed.observation.attribute import Attribution
from pytest_exposed.observation.complete import Inspections, complete, completed
from pytest_exposed.observation.judge import Judgement
from pytest_exposed.observation.locate import Locations
from pytest_exposed.observation.netns import SharedNetns
from pytest_exposed.observation.read import read
from pytest_exposed.observation.scene import Scene
from pytest_exposed.rules import Rule
from pytest_exposed.rules.acceptance import Acceptance
from pytest_exposed.sockets.chain import SourceChain
from pytest_exposed.sockets.reading import SocketSnapshot
from pytest_exposed.unpatched import monotonic, real_files

if TYPE_CHECKING:
    from pytest_exposed.sockets.kept import Kept

DOCUMENTED = ("image", "run")
"""What counts as documentation: the image's EXPOSE, or what the container declares as well."""


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
        at_run: bool,
    ) -> None:
        """Connect to host; the others are how containers are seen and judged.

        at_run is whether what a container declares is documented.
        """
        super().__init__(host, helper_image=helper_image, timeout=timeout)
        self.source = source
        self.rules = tuple(rules)
        self.acceptance = acceptance
        self.at_run = at_run

    def observe(
        self,
        wanted: Sequence[Listed],
        everyone: Sequence[Listed],
        *,
        owners: bool = False,
        rules: Sequence[Rule] | None = None,
        kept: Kept | None = None,
        at_run: bool | None = None,
    ) -> dict[str, Observed]:
        """Return a snapshot of each wanted container by its id, or why there is none.

        everyone are all running containers: they may share a network with the wanted ones. With
        owners, the processes that hold listeners are looked up even where nothing is wrong. rules
        and at_run are the engine's own by default. kept keeps open what netlink reads.
        """
        self.answers = False
        with real_files():
            at_run = self.at_run if at_run is None else at_run
            scene = see(self, wanted, everyone, self.source, kept, at_run=at_run)
            rules = self.rules if rules is None else rules
            found = judge(self, scene, wanted, rules, self.acceptance, owners=owners, at_run=at_run)
        self.answers = True
        return found

    def snapshots(self, wanted: Sequence[Listed], everyone: Sequence[Listed]) -> list[Container]:
        """Return snapshots of the wanted containers; raises the error of one that has none."""
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
        return completed(listed, Inspections(self), self.publishing_networks)


def see(
    queries: EngineQueries,
    wanted: Sequence[Listed],
    everyone: Sequence[Listed],
    source: str,
    kept: Kept | None = None,
    *,
    at_run: bool = False,
) -> Scene:
    """Complete, locate and read: return the scene of the wanted containers and their neighbours."""
    began = monotonic()
    inspections = Inspections(queries)
    publishing = cache(queries.publishing_networks)
    known = complete(wanted, everyone, inspections, publishing, at_run=at_run)
    locations = Locations(known.containers, everyone, inspections, queries)
    chain = SourceChain(source, [x.id for x in everyone], queries.remote, kept)
    readings = read(chain, locations, known, inspections, queries)
    return Scene(
        containers=known.containers,
        netns_owners=locations.netns_owners,
        readings=readings,
        troubles=known.troubles,
        netns=SharedNetns(readings, locations.netns_owners),
        inspections=inspections,
        publishing=publishing,
        processes_of=chain.owners,
        began=began,
    )


def judge(
    queries: EngineQueries,
    scene: Scene,
    wanted: Sequence[Listed],
    rules: Sequence[Rule],
    acceptance: Acceptance,
    *,
    owners: bool,
    at_run: bool = False,
) -> dict[str, Observed]:
    """Attribute and judge: return what Observer.observe does, from a scene."""
    containers = scene.containers.values()
    queries.images.learn(
        x for x in containers if isinstance(scene.readings.get(x.id), SocketSnapshot)
    )
    attribution = Attribution(queries, scene, acceptance, at_run=at_run)
    judgement = Judgement(
        queries, scene, acceptance, {x.id: attribution.snapshot(x) for x in containers}
    )
    return {x.id: judgement.of(x.id, rules, owners=owners) for x in wanted}
