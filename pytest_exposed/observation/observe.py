"""The steps of one observation, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from pytest_exposed.engine.queries import EngineQueries
from pytest_exposed.engine.records import Listed
from pytest_exposed.model import Observed
from pytest_exposed.observation.attribute import Attribution
from pytest_exposed.observation.complete import Inspections, complete
from pytest_exposed.observation.judge import Judgement
from pytest_exposed.observation.locate import Locations
from pytest_exposed.observation.netns import SharedNetns
from pytest_exposed.observation.publications import Publications
from pytest_exposed.observation.read import read
from pytest_exposed.observation.scene import Scene
from pytest_exposed.rules import Rule
from pytest_exposed.rules.acceptance import Acceptance
from pytest_exposed.sockets.chain import SourceChain
from pytest_exposed.sockets.reading import SocketSnapshot
from pytest_exposed.unpatched import monotonic


def observe(
    queries: EngineQueries,
    wanted: Sequence[Listed],
    everyone: Sequence[Listed],
    *,
    source: str,
    rules: Sequence[Rule],
    acceptance: Acceptance,
    owners: bool,
) -> dict[str, Observed]:
    """Return a judged snapshot of each wanted container by its id, or why there is none.

    everyone are all running containers, which may share their network with the wanted ones. With
    owners, the processes that hold listeners are looked up for all, else where something is wrong.
    """
    scene = see(queries, wanted, everyone, source)
    return judge(queries, scene, wanted, rules, acceptance, owners=owners)


def see(
    queries: EngineQueries, wanted: Sequence[Listed], everyone: Sequence[Listed], source: str
) -> Scene:
    """Complete, locate and read: return what is known of the wanted containers and their mates."""
    began = monotonic()
    inspections = Inspections(queries.inspect, queries.inspections)
    publishing = cache(queries.publishing_networks)
    known = complete(wanted, everyone, inspections, publishing)
    locations = Locations(known.containers, everyone, inspections, queries.inspect)
    chain = SourceChain(source, [x.id for x in everyone], queries.remote)
    readings = read(
        chain,
        locations,
        known,
        inspections,
        inspect=queries.inspect,
        default_runtime=queries.default_runtime,
    )
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
) -> dict[str, Observed]:
    """Attribute and judge: return what observe does, by what was seen."""
    containers = scene.containers.values()
    queries.images.learn(
        x for x in containers if isinstance(scene.readings.get(x.id), SocketSnapshot)
    )
    publications = Publications(queries, scene)
    attribution = Attribution(queries, scene, publications, acceptance)
    judgement = Judgement(
        scene, queries.images, acceptance, {x.id: attribution.snapshot(x) for x in containers}
    )
    return {x.id: judgement.of(x.id, rules, owners=owners) for x in wanted}
