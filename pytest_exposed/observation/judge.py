"""Judge: what the rules find wrong with a snapshot, given those that share its network."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pytest_exposed.engine.queries import EngineQueries
from pytest_exposed.engine.swarm import REMEDY
from pytest_exposed.errors import (
    GoneError,
    NotRunningError,
    ObservationError,
    PublicationsUnknownError,
)
from pytest_exposed.model import Container, Finding, Listener, Observed, publishing
from pytest_exposed.model.ports import Ports
from pytest_exposed.observation.command import override_of
from pytest_exposed.observation.scene import Scene
from pytest_exposed.observation.stopped import StoppedJoiners
from pytest_exposed.rules import Rule
from pytest_exposed.rules.acceptance import Acceptance
from pytest_exposed.rules.judge import findings, hanging_on_publications, quick_verdict
from pytest_exposed.rules.rpc import may_serve_rpc, with_rpc_servers
from pytest_exposed.sockets.chain import LOCAL
from pytest_exposed.text import printable
from pytest_exposed.unpatched import today

Verdict = tuple[Finding, ...] | ObservationError
"""What is wrong with a container, or why that is unknown."""

BY_PORTS = "is judged by port numbers alone"
"""Words of a note on a rule that judges by processes, where none was seen."""

HIDDEN = "only root sees which process holds a socket: run as root to see names for - in PROCESS"
"""Words of a note where this user sees no process of a listener."""

JOINED = "it shares the network of"
"""Words of a note on a container in another's network."""

UNWELL = "its health check has not succeeded"
"""Words of a note on a container that was judged before its health check succeeded."""

RESTLESS = "its listeners have not stayed the same for two seconds"
"""Words of a note on a container that was judged while its listeners came and went."""

RESTARTED = "it was restarted while it was watched"
"""Words of a note on a container that did not run all the time."""

RARELY = "it was watched less than twice a second"
"""Words of a note on a watch for which the machine, or the source, was too slow."""


class Judgement:
    """Judges the snapshots of one scene; looks up more only where a verdict needs it."""

    def __init__(
        self,
        queries: EngineQueries,
        scene: Scene,
        acceptance: Acceptance,
        alone: Mapping[str, Observed],
    ) -> None:
        """Take the snapshots of a whole scene by their ids, each as if it were alone."""
        self._images = queries.images
        self._stopped = StoppedJoiners(queries, scene.containers)
        self._scene = scene
        self._acceptance = acceptance
        self._alone = alone
        self._owned: dict[str, tuple[Listener, ...]] = {}
        self._stray = tuple(x for x in alone.values() if isinstance(x, Container) and x.rejoin)

    def of(self, identity: str, rules: Sequence[Rule], *, owners: bool) -> Observed:
        """Return a snapshot with its neighbours and findings, and with the owners of listeners."""
        answer = self._alone[identity]
        if not isinstance(answer, Container):
            return answer
        container = self._with_sharing(answer)
        by_owners = any(x.by_owners for x in rules)
        wrong, needed = quick_verdict(container, rules)
        rpc = may_serve_rpc(container)
        if owners or by_owners or wrong or rpc:
            container = replace(
                self._with_owners(container),
                neighbours=tuple(self._with_owners(x) for x in container.neighbours),
            )
            notes = (*_by_ports(container, rules), *_hidden(container))
            container = replace(container, notes=(*container.notes, *notes))
        if rpc:
            container = with_rpc_servers(container)
            wrong = True
        if "history" in needed:
            image = self._images.with_history(container.image, self._scene.containers[identity])
            container = replace(container, image=image)
        if "stopped" in needed:
            container = replace(container, stopped_joiners=self._stopped.of(container))
        if "command" in needed:
            container = replace(container, substitute=override_of(container, self._scene))
        verdict = self._findings(container, rules) if wrong or by_owners else ()
        verdict = self._certain(container, verdict)
        why = self._scene.containers[identity].publications_unknown
        unknown = not_to_be_judged(container, rules, why) if why else None
        if unknown is not None and not isinstance(verdict, ObservationError):
            # Findings that fail are shown; without one, the verdict is unknown.
            verdict = verdict if any(x.fails for x in verdict) else unknown
        if not verdict and unknown is None:  # the usual case: a copy takes time
            return container
        return replace(container, verdict=verdict, publications_unknown=unknown)

    def _seen(self, identities: Iterable[str]) -> tuple[Container, ...]:
        answers = (self._alone[x] for x in identities)
        return tuple(x for x in answers if isinstance(x, Container))

    def _with_sharing(self, container: Container) -> Container:
        """Return a container with those that share its network, or did, and notes on them."""
        netns = self._scene.netns
        if neighbours := self._seen(netns.of(container.id)):
            container = replace(container, neighbours=neighbours)
            if notes := (*self._joined(container), *_answering(container)):
                container = replace(container, notes=(*container.notes, *notes))
        if container.published and self._stray:
            container = replace(container, left_behind=self._stray)
        return container

    def _joined(self, container: Container) -> list[str]:
        """Return a note on the container whose network another one joined."""
        owner = self._scene.netns_owners[container.id]
        found = [x for x in container.neighbours if x.id == owner and not x.is_infra]
        return [f"{JOINED} {publishing(str(x), x.published)}" for x in found]

    def _findings(self, container: Container, rules: Sequence[Rule]) -> Verdict:
        try:
            found = findings(container, rules)
        except ObservationError as error:
            return error
        return self._acceptance.applied(container, found, today())

    def _certain(self, container: Container, verdict: Verdict) -> Verdict:
        """Return the verdict, or an error where something unseen may listen after all.

        It may be a UDP socket of the container, or a neighbour that answers a publication.
        """
        if isinstance(verdict, ObservationError):
            return verdict
        if not self._scene.netns.shows_udp6(container.id):
            heard = {x.port for x in container.listeners}
            for port in sorted({x.port for x in verdict if x.port is not None} - heard):
                if port.protocol == "udp":
                    return ObservationError(
                        f"whether something listens on {port} is unknown: the runtime of "
                        f"{container} doesn't show UDP over IPv6, as gVisor's /proc does not"
                    )
        published = {x.port for x in container.published}
        if not any(x.port in published for x in verdict):
            return verdict
        owners = self._scene.netns_owners
        for identity, answer in self._alone.items():
            unseen = isinstance(answer, ObservationError) and not isinstance(
                answer, (GoneError, NotRunningError)
            )
            if unseen and owners[identity] == owners[container.id]:
                return ObservationError(
                    f"{container} shares its network namespace with "
                    f"{printable(self._scene.containers[identity].name)}, which may answer what it "
                    f"publishes, and which can't be seen:\n{answer}"
                )
        return verdict

    def _with_owners(self, container: Container) -> Container:
        # Kept, as a container is the neighbour of every other one in its network.
        if container.id not in self._owned:
            inodes = {x for listener in container.listeners for x in listener.inodes}
            found = self._scene.processes_of(container.id, inodes)

            def named(listener: Listener) -> Listener:
                owners = {x for inode in listener.inodes for x in found.get(inode, ())}
                return replace(listener, owners=tuple(sorted(owners)))

            self._owned[container.id] = tuple(map(named, container.listeners))
        return replace(container, listeners=self._owned[container.id])


def _answering(container: Container) -> list[str]:
    """Return a note on each neighbour that alone listens on a port that the container publishes."""
    own = {x.port for x in container.listeners}
    silent = Ports({x.port for x in container.published} - own)
    return [
        f"{x}, which shares its network, listens on {silent & x.listening}"
        + (", and is paused" if x.state == "paused" else "")
        for x in container.neighbours
        if silent & x.listening
    ]


def _by_ports(container: Container, rules: Sequence[Rule]) -> list[str]:
    """Return a note for each rule that judges by processes, where a listener's are hidden."""
    if all(x.owners for x in container.listeners if x.kind != "ephemeral"):
        return []
    why = f"{container.source} shows no processes"
    if container.source in LOCAL:
        why = "its processes are hidden from this user, and not from root"
    return [f"{x.name} {BY_PORTS}: {why}" for x in rules if x.by_owners]


def _hidden(container: Container) -> list[str]:
    """Return a note where only root would see a listener's processes."""
    is_root = not hasattr(os, "geteuid") or os.geteuid() == 0
    hidden = any(not x.owners for x in container.listeners if x.kind != "ephemeral")
    return [HIDDEN] if hidden and not is_root and container.source in LOCAL else []


def not_to_be_judged(
    container: Container, rules: Sequence[Rule], why: str
) -> PublicationsUnknownError | None:
    """Return an error where rules depend on what a task's service publishes; else None.

    why says why that is unknown.
    """
    hanging = hanging_on_publications(container, rules)
    if not hanging:
        return None
    return PublicationsUnknownError(
        f"{why}\nso that {', '.join(hanging)} can't be judged: {REMEDY}, or leave that out: "
        f"--exposed-ignore={','.join(hanging)}"
    )
