"""One round of observation: from the engine's list and the kernel's sockets to judged snapshots."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from pytest_exposed.command import is_own, made_by_molecule, substitute
from pytest_exposed.engine.ended import RUNS, why_unseen
from pytest_exposed.engine.neighbours import Neighbours, Places, company
from pytest_exposed.engine.records import Inspected, Listed
from pytest_exposed.engine.swarm import not_to_be_judged
from pytest_exposed.engine.unlisted import Unlisted
from pytest_exposed.errors import (
    EngineError,
    GoneError,
    NotRunningError,
    ObservationError,
)
from pytest_exposed.judge import findings, glance
from pytest_exposed.listeners import LOCAL_PORTS, belongs, listeners
from pytest_exposed.model import Container, Finding, Listener
from pytest_exposed.ports import Port
from pytest_exposed.sockets import Look
from pytest_exposed.sockets.reading import DNS, Reading, Target
from pytest_exposed.text import printable

if TYPE_CHECKING:
    from pytest_exposed.engine.engine import Engine

# Runtimes that leave a container's sockets in the host's kernel. Others (gVisor, Kata) keep them in
# a kernel of their own, and the host's would truthfully show none.
KERNEL_RUNTIMES = {
    *("", "runc", "crun", "youki", "nvidia"),
    *("io.containerd.runc.v1", "io.containerd.runc.v2", "io.containerd.runtime.v1.linux"),
}

_MOST_INVALID = 8
"""Lines about what an image documents that is no port: one made by hand can have any number."""

Answer = Container | ObservationError
"""What looking at a container gives: a snapshot of it, or why there is none."""


class Round:
    """One look at some containers of an engine, and at those whose network they share."""

    def __init__(
        self, engine: Engine, wanted: Sequence[Listed], everyone: Sequence[Listed]
    ) -> None:
        self._began = time.monotonic()
        self._engine = engine
        self._wanted = wanted
        self._inspected: dict[str, Inspected] = {}
        self._ports: dict[str, frozenset[Port]] = {}
        self._owned: dict[str, tuple[Listener, ...]] = {}
        unlisted = Unlisted(engine, self._inspect)
        near = company(wanted, everyone)
        self._inspected |= engine.inspections(x for x in near if unlisted.may_lack_ports_of(x))
        self._company = {x.id: unlisted.complete(x) for x in near}
        places = Places(self._company.get(x.id, x) for x in everyone)
        self._places = {x.id: places.of(x) or x.id for x in self._company.values()}
        self._at_place = Counter(self._places.values())
        self._look = Look(engine.source, [x.id for x in everyone], engine.remote)
        running = [x for x in self._company.values() if x.state in RUNS]
        self._readings = self._look.observe([self._target(x) for x in running], runs=self._runs)
        self._neighbours = Neighbours(self._readings, self._places)

    def answers(self, *, owners: bool) -> dict[str, Answer]:
        """Return a snapshot of each wanted container by its id, or why there is none."""
        silent = (x for x in self._company.values() if self._is_silent(self._readings.get(x.id)))
        self._inspected |= self._engine.inspections(
            x for x in silent if x.id not in self._inspected
        )
        seen = (x for x in self._company.values() if isinstance(self._readings.get(x.id), Reading))
        self._engine.images.learn(seen)
        self._alone: dict[str, Answer] = {}
        for identity, listed in self._company.items():
            try:
                self._alone[identity] = self._snapshot(listed)
            except ObservationError as error:
                self._alone[identity] = error
        return {x.id: self._judged(self._alone[x.id], owners=owners) for x in self._wanted}

    def _inspect(self, listed: Listed) -> Inspected:
        if listed.id not in self._inspected:
            self._inspected[listed.id] = self._engine.inspect(listed)
        return self._inspected[listed.id]

    def _runs(self, target: Target) -> bool:
        try:
            return self._engine.inspect(self._company[target.id]).state in RUNS
        except ObservationError:  # removed
            return False

    def _target(self, listed: Listed) -> Target:
        place = self._places[listed.id]
        shares = place == "host" or self._at_place[place] > 1
        return Target(
            listed.id,
            listed.addresses,
            place,
            shares,
            lambda: self._inspect(listed).pid,
            lambda: self._sandbox(place),
            lambda: self._engine.inspect(listed).addresses,
        )

    def _sandbox(self, place: str) -> str:
        """Return the file of a network namespace by whose it is; empty where that isn't told."""
        listed = self._company.get(place)
        return self._inspect(listed).sandbox if listed is not None else ""

    def _snapshot(self, listed: Listed) -> Container:
        """Return a container as if it were alone, not yet judged."""
        reading = self._reading(listed)
        image = self._engine.images.documented(listed.image_id, listed.image)
        together = (listed.id, *self._neighbours.of(listed.id))
        named = frozenset[Port]().union(*map(self._named, together))
        held = self._neighbours.held(listed.id)
        found = listeners(reading, held, named, self._local_ports(listed, reading))
        container = Container(
            id=listed.id,
            name=listed.name,
            image=image,
            network_mode=listed.network_mode or "",
            state=listed.state,
            declared=listed.declared,
            published=listed.published,
            listeners=found,
            source=reading.source,
            host=self._engine.host,
            labels=listed.labels,
            at_host=reading.at_host or self._places[listed.id] == "host",
            notes=tuple(self._notes(listed, image.invalid, reading)),
        )
        notes = self._engine.acceptance.notes(container)
        if made_by_molecule(listed.labels):
            container = self._with_substitute(container, listed)
            if container.substitute is not None:
                notes = (f"it runs {container.substitute.what}", *notes)
        return replace(container, notes=(*container.notes, *notes)) if notes else container

    def _named(self, identity: str) -> frozenset[Port]:
        """Return the ports that a container's image documents, or that it declares or publishes."""
        if identity not in self._ports:
            listed = self._company[identity]
            documented = self._engine.images.documented(listed.image_id, listed.image).documented
            published = (x.port for x in listed.published)
            self._ports[identity] = frozenset({*documented, *listed.declared, *published})
        return self._ports[identity]

    def _reading(self, listed: Listed) -> Reading:
        """Return a container's reading; that of exec where only that can see its sockets."""
        reading = self._readings.get(listed.id, ObservationError("it does not run"))
        if isinstance(reading, ObservationError):
            # Where no source sees any of many containers, that it has just ended is not why.
            seen = any(isinstance(x, Reading) for x in self._readings.values())
            alone = len(self._company) == 1
            raise why_unseen(
                self._engine, listed, reading, began=self._began, may_have_ended=seen or alone
            )
        if not self._is_silent(reading):
            return reading
        # No socket at all: true of an idle container, and of one whose kernel is another.
        runtime = self._inspect(listed).runtime
        if runtime == "oci":  # what podman says of every one
            runtime = self._engine.default_runtime()
        if runtime in KERNEL_RUNTIMES:
            return reading
        self._readings |= self._look.observe(
            [self._target(listed)], runs=self._runs, elsewhere=[listed.id]
        )
        self._neighbours = Neighbours(self._readings, self._places)
        return self._reading(listed)

    @staticmethod
    def _is_silent(reading: Reading | ObservationError | None) -> bool:
        """Return whether a source that can be deceived in this saw no socket of the container."""
        if not isinstance(reading, Reading) or reading.source == "exec":
            return False
        own = (x for x in reading.sockets if x.address != DNS)  # the engine's, not the container's
        return not any(belongs(x, reading) for x in own)

    def _local_ports(self, listed: Listed, reading: Reading) -> tuple[int, int]:
        """Return the namespace's range of ports for clients; asks the engine only if it matters."""
        if reading.local_ports is not None:
            return reading.local_ports
        if all(x.protocol != "udp" for x in reading.sockets):
            return LOCAL_PORTS
        for identity in (listed.id, *self._neighbours.of(listed.id)):
            written = self._inspect(self._company[identity]).sysctls
            low, _, high = written.get("net.ipv4.ip_local_port_range", "").strip().partition(" ")
            if low.isdecimal() and high.strip().isdecimal():
                return int(low), int(high)
        return LOCAL_PORTS

    def _notes(self, listed: Listed, invalid: Sequence[str], reading: Reading) -> list[str]:
        notes = [
            f"its image documents {printable(repr(x))}, which is not a port"
            for x in invalid[:_MOST_INVALID]
        ]
        if len(invalid) > _MOST_INVALID:
            notes.append(f"and {len(invalid) - _MOST_INVALID} more which are none")
        inspected = self._inspected.get(listed.id)
        if inspected is not None and inspected.wished and not listed.published:
            notes.append(
                f"-p {printable(', '.join(inspected.wished))} has no effect with "
                f"--network {printable(inspected.network_mode)}"
            )
        notes += [listed.untold] if listed.untold else []
        if reading.addresses == frozenset() and not reading.ipv6:
            notes.append("its network has no address but loopback: nothing outside can reach it")
        return notes

    def _judged(self, answer: Answer, *, owners: bool) -> Answer:
        """Return a snapshot with its neighbours and findings, and with the owners of listeners."""
        if not isinstance(answer, Container):
            return answer
        neighbours = [self._alone[x] for x in self._neighbours.of(answer.id)]
        container = replace(
            answer, neighbours=tuple(x for x in neighbours if isinstance(x, Container))
        )
        asks_for_names = any(x.name == "ssh" for x in self._engine.rules)
        wrong, broken = glance(container, self._engine.rules)
        if owners or asks_for_names or wrong:
            container = replace(
                self._with_owners(container),
                neighbours=tuple(self._with_owners(x) for x in container.neighbours),
            )
        if "silent" in broken:
            container = replace(container, image=self._engine.images.with_history(container.image))
        if broken & {"silent", "published-silent"}:
            container = self._with_substitute(container, self._company[container.id])
        verdict = self._findings(container) if wrong or asks_for_names else ()
        verdict = self._certain(container, verdict)
        why = self._company[container.id].untold
        untold = not_to_be_judged(container, self._engine.rules, why) if why else None
        if untold is not None and not isinstance(verdict, ObservationError):
            # What is found is shown; where that is nothing, or accepted, the rest is unknown.
            verdict = verdict if any(x.waived is None for x in verdict) else untold
        return replace(container, verdict=verdict, untold=untold)

    def _certain(
        self, container: Container, verdict: tuple[Finding, ...] | ObservationError
    ) -> tuple[Finding, ...] | ObservationError:
        """Return the verdict, unless a neighbour that was not seen may answer a publication."""
        published = {x.port for x in container.published}
        if isinstance(verdict, ObservationError) or not any(x.port in published for x in verdict):
            return verdict
        for identity, answer in self._alone.items():
            unseen = isinstance(answer, ObservationError) and not isinstance(
                answer, (GoneError, NotRunningError)
            )
            if unseen and self._places[identity] == self._places[container.id]:
                return ObservationError(
                    f"{container} shares its network namespace with "
                    f"{printable(self._company[identity].name)}, which may answer what it "
                    f"publishes, and which can't be seen:\n{answer}"
                )
        return verdict

    def _findings(self, container: Container) -> tuple[Finding, ...] | ObservationError:
        try:
            found = findings(container, self._engine.rules)
        except ObservationError as error:
            return error
        today = date.today()  # noqa: DTZ011  # the user's day
        return self._engine.acceptance.applied(container, found, today)

    def _with_substitute(self, container: Container, listed: Listed) -> Container:
        """Return a container with what it runs instead of its image's command.

        The exact words are asked for only where the list's line is not that of the image's command.
        Podman's list leaves out entrypoints, but its containers have been inspected: see Unlisted.
        """
        if listed.id not in self._inspected and is_own(listed.command, container.image):
            return container
        try:
            command = self._inspect(listed).command
        except (EngineError, ObservationError):  # no more than a hint hangs on it
            return container
        found = substitute(command, container.image, container.labels)
        return replace(container, substitute=found)

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
