"""What is to be said of snapshots: who their neighbours are, and what rules find wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_exposed.engine.company import Company
from pytest_exposed.engine.neighbours import Neighbours
from pytest_exposed.engine.swarm import not_to_be_judged
from pytest_exposed.errors import GoneError, NotRunningError, ObservationError
from pytest_exposed.model import Container, Finding, Listener
from pytest_exposed.rules import Rule
from pytest_exposed.rules.judge import findings, glance
from pytest_exposed.rules.rpc import may_serve_rpc, with_rpc_servers
from pytest_exposed.sockets import LOCAL, Look
from pytest_exposed.text import printable
from pytest_exposed.unpatched import today

if TYPE_CHECKING:
    from pytest_exposed.engine.observer import Observer

Observed = Container | ObservationError
"""What looking at a container gives: a snapshot of it, or why there is none."""

Verdict = tuple[Finding, ...] | ObservationError
"""What is wrong with a container, or why nobody can tell."""


BY_PORTS = "is judged by port numbers alone"
"""What a note says of a rule that would judge by processes, where none was seen."""


class Verdicts:
    """Judges snapshots that were made in one look; what a verdict needs is looked up only then."""

    def __init__(
        self,
        observer: Observer,
        company: Company,
        neighbours: Neighbours,
        look: Look,
        seen: Mapping[str, Observed],
    ) -> None:
        """Take the snapshots of a whole company by their ids, each as if it were alone."""
        self._observer = observer
        self._company = company
        self._neighbours = neighbours
        self._look = look
        self._seen = seen
        self._owned: dict[str, tuple[Listener, ...]] = {}

    def of(self, identity: str, rules: Sequence[Rule], *, owners: bool) -> Observed:
        """Return a snapshot with its neighbours and findings, and with the owners of listeners."""
        answer = self._seen[identity]
        if not isinstance(answer, Container):
            return answer
        neighbours = [self._seen[x] for x in self._neighbours.of(identity)]
        container = replace(
            answer, neighbours=tuple(x for x in neighbours if isinstance(x, Container))
        )
        by_owners = any(x.by_owners for x in rules)
        wrong, told = glance(container, rules)
        rpc = may_serve_rpc(container)
        if owners or by_owners or wrong or rpc:
            container = replace(
                self._with_owners(container),
                neighbours=tuple(self._with_owners(x) for x in container.neighbours),
            )
            container = replace(container, notes=(*container.notes, *_by_ports(container, rules)))
        if rpc:
            container = with_rpc_servers(container)
            wrong = True
        if "history" in told:
            image = self._observer.images.with_history(container.image, self._company[identity])
            container = replace(container, image=image)
        if "command" in told:
            container = replace(container, substitute=self._company.substitute(container))
        verdict = self._findings(container, rules) if wrong or by_owners else ()
        verdict = self._certain(container, verdict)
        why = self._company[identity].untold
        untold = not_to_be_judged(container, rules, why) if why else None
        if untold is not None and not isinstance(verdict, ObservationError):
            # What is found is shown; where that is nothing, or accepted, the rest is unknown.
            verdict = verdict if any(x.fails for x in verdict) else untold
        return replace(container, verdict=verdict, untold=untold)

    def _findings(self, container: Container, rules: Sequence[Rule]) -> Verdict:
        try:
            found = findings(container, rules)
        except ObservationError as error:
            return error
        return self._observer.acceptance.applied(container, found, today())

    def _certain(self, container: Container, verdict: Verdict) -> Verdict:
        """Return the verdict, unless what was not seen may listen where nothing seems to.

        That is a socket of the container, or a neighbour that answers a publication.
        """
        if not isinstance(verdict, ObservationError) and not self._neighbours.shows_udp6(
            container.id
        ):
            heard = {x.port for x in container.listeners}
            for port in sorted({x.port for x in verdict if x.port is not None} - heard):
                if port.protocol == "udp":
                    return ObservationError(
                        f"whether something listens on {port} can't be told: the runtime of "
                        f"{container} doesn't show UDP over IPv6, as gVisor's /proc does not"
                    )
        published = {x.port for x in container.published}
        if isinstance(verdict, ObservationError) or not any(x.port in published for x in verdict):
            return verdict
        places = self._company.places
        for identity, answer in self._seen.items():
            unseen = isinstance(answer, ObservationError) and not isinstance(
                answer, (GoneError, NotRunningError)
            )
            if unseen and places[identity] == places[container.id]:
                return ObservationError(
                    f"{container} shares its network namespace with "
                    f"{printable(self._company[identity].name)}, which may answer what it "
                    f"publishes, and which can't be seen:\n{answer}"
                )
        return verdict

    def _with_owners(self, container: Container) -> Container:
        # One of many that share a network is the neighbour of each of the others.
        if container.id not in self._owned:
            inodes = {x for listener in container.listeners for x in listener.inodes}
            found = self._look.owners(container.id, inodes)

            def named(listener: Listener) -> Listener:
                owners = {x for inode in listener.inodes for x in found.get(inode, ())}
                return replace(listener, owners=tuple(sorted(owners)))

            self._owned[container.id] = tuple(map(named, container.listeners))
        return replace(container, listeners=self._owned[container.id])


def _by_ports(container: Container, rules: Sequence[Rule]) -> list[str]:
    """Return a note for each rule that judges by processes where those of a listener are hidden."""
    if all(x.owners for x in container.listeners if x.kind != "ephemeral"):
        return []
    why = f"{container.source} shows no processes"
    if container.source in LOCAL:
        why = "its processes are hidden from this user, and not from root"
    return [f"{x.name} {BY_PORTS}: {why}" for x in rules if x.by_owners]
