"""Read: the sockets in each container's network namespace, by the first source that sees them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pytest_exposed.engine.queries import EngineQueries
from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import ObservationError
from pytest_exposed.observation.complete import Completed, Inspections
from pytest_exposed.observation.diagnosis import RUNNING_STATES
from pytest_exposed.observation.locate import Locations
from pytest_exposed.sockets.chain import SourceChain
from pytest_exposed.sockets.listeners import belongs
from pytest_exposed.sockets.reading import DNS, SocketSnapshot, SocketSnapshots, Target

# Runtimes that leave a container's sockets in the host's kernel. Others (gVisor, Kata) have another
# kernel, and the host's has none of their sockets.
KERNEL_RUNTIMES = {
    *("", "runc", "crun", "youki", "nvidia"),
    *("io.containerd.runc.v1", "io.containerd.runc.v2", "io.containerd.runtime.v1.linux"),
}


def read(
    chain: SourceChain,
    locations: Locations,
    known: Completed,
    inspections: Inspections,
    queries: EngineQueries,
) -> SocketSnapshots:
    """Return the sockets of each container, or why no source sees them.

    A container's trouble is noted in known where its runtime, and so the right source, is unknown.
    """
    containers, troubles = known.containers, known.troubles

    def runs(target: Target) -> bool:
        """Return whether a container has processes now."""
        try:
            return queries.inspect(containers[target.id]).state in RUNNING_STATES
        except ObservationError:  # removed
            return False

    readings = chain.observe(locations.targets(), runs=runs)
    _lend_to_infra(containers.values(), readings)
    elsewhere = []
    silent = [x for x in containers.values() if _is_silent(readings.get(x.id))]
    inspections.learn(silent)
    for listed in silent:
        if listed.id in troubles:
            continue
        # No socket at all: the container is idle, or has a kernel of its own.
        try:
            runtime = inspections.of(listed).runtime
        except ObservationError as error:
            troubles[listed.id] = error
            continue
        if runtime == "oci":  # what podman says of every one
            runtime = queries.default_runtime()
        if runtime not in KERNEL_RUNTIMES:
            elsewhere.append(listed)
    if elsewhere:
        targets = [locations.target(x) for x in elsewhere]
        readings |= chain.observe(targets, runs=runs, elsewhere=[x.id for x in elsewhere])
    return readings


def _lend_to_infra(containers: Iterable[Listed], readings: SocketSnapshots) -> None:
    """Give unseen infra containers the network of their pods' containers.

    exec finds no program in them, and their process listens on nothing.
    """
    containers = list(containers)
    for infra in containers:
        if infra.is_infra and not isinstance(readings.get(infra.id), SocketSnapshot):
            pod = [x for x in containers if x.pod_network == infra.pod]
            for found in (readings.get(x.id) for x in pod):
                if isinstance(found, SocketSnapshot):
                    nothing = frozenset[int]()
                    readings[infra.id] = replace(found, sockets=(), held=nothing, shared=True)


def _is_silent(reading: SocketSnapshot | ObservationError | None) -> bool:
    """Return whether a source saw no socket of the container; exec sees every kernel's."""
    if not isinstance(reading, SocketSnapshot) or reading.source == "exec":
        return False
    own = (x for x in reading.sockets if x.address != DNS)  # the engine's, not the container's
    return not any(belongs(x, reading) for x in own)
