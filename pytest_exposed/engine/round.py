"""One round of observation: from the engine's list and the kernel's sockets to snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_exposed.engine.command import made_by_molecule
from pytest_exposed.engine.company import Company
from pytest_exposed.engine.ended import why_unseen
from pytest_exposed.engine.neighbours import Neighbours
from pytest_exposed.engine.publications import Publications
from pytest_exposed.engine.records import Listed
from pytest_exposed.engine.verdicts import Observed, Verdicts
from pytest_exposed.errors import ObservationError
from pytest_exposed.model import Container
from pytest_exposed.ports import Port
from pytest_exposed.rules import Rule
from pytest_exposed.sockets import Look
from pytest_exposed.sockets.listeners import LOCAL_PORTS, belongs, listeners
from pytest_exposed.sockets.reading import DNS, Reading
from pytest_exposed.text import printable
from pytest_exposed.unpatched import monotonic

if TYPE_CHECKING:
    from pytest_exposed.engine.observer import Observer

# Runtimes that leave a container's sockets in the host's kernel. Others (gVisor, Kata) keep them in
# a kernel of their own, and the host's would truthfully show none.
KERNEL_RUNTIMES = {
    *("", "runc", "crun", "youki", "nvidia"),
    *("io.containerd.runc.v1", "io.containerd.runc.v2", "io.containerd.runtime.v1.linux"),
}

_MOST_INVALID = 8
"""Lines about what an image documents that is no port: one made by hand can have any number."""


class Round:
    """One look at some containers of an engine, and at those whose network they share."""

    def __init__(
        self, observer: Observer, wanted: Sequence[Listed], everyone: Sequence[Listed]
    ) -> None:
        """Look at the wanted containers' sockets; everyone are all that run."""
        self._began = monotonic()
        self._observer = observer
        self._wanted = wanted
        self._ports: dict[str, frozenset[Port]] = {}
        self._company = Company(observer, wanted, everyone)
        self._publications = Publications(observer, self._company)
        self._look = Look(observer.source, [x.id for x in everyone], observer.remote)
        self._readings = self._look.observe(self._company.targets(), runs=self._company.runs)
        self._read_pods()
        self._neighbours = Neighbours(self._readings, self._company.places)

    def _read_pods(self) -> None:
        """Give infra containers that could not be seen the network of their pods' containers.

        They have nothing that exec could run, and their process listens on nothing.
        """
        for infra in self._company.containers:
            if infra.is_infra and not isinstance(self._readings.get(infra.id), Reading):
                pod = [x for x in self._company.containers if x.pod_network == infra.pod]
                for found in (self._readings.get(x.id) for x in pod):
                    if isinstance(found, Reading):
                        nothing = frozenset[int]()
                        self._readings[infra.id] = replace(
                            found, sockets=(), held=nothing, shared=True
                        )

    def answers(self, rules: Sequence[Rule], *, owners: bool) -> dict[str, Observed]:
        """Return a snapshot of each wanted container by its id, judged, or why there is none."""
        containers = self._company.containers
        self._company.learn(x for x in containers if self._is_silent(self._readings.get(x.id)))
        self._observer.images.learn(
            x for x in containers if isinstance(self._readings.get(x.id), Reading)
        )
        alone = {x.id: self._alone(x) for x in containers}
        verdicts = Verdicts(self._observer, self._company, self._neighbours, self._look, alone)
        return {x.id: verdicts.of(x.id, rules, owners=owners) for x in self._wanted}

    def _alone(self, listed: Listed) -> Observed:
        try:
            return self._snapshot(listed)
        except ObservationError as error:
            return error

    def _snapshot(self, listed: Listed) -> Container:
        """Return a container as if it were alone, not yet judged."""
        if listed.id in self._company.troubles:
            raise self._company.troubles[listed.id].with_traceback(None)
        reading = self._reading(listed)
        image = self._observer.images.of(listed)
        named = self._named(listed.id).union(*self._named_by_neighbours(listed.id, reading))
        held = self._neighbours.held(listed.id)
        range_ = self._local_ports(listed, reading, named)
        found = listeners(reading, held, named, range_)
        others = self._neighbours.of(listed.id)
        # Whoever in the namespace listens there answers, whatever is known of whose a socket is.
        every = replace(reading, held=None, cgroups=None, shared=False)
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
            host=self._observer.host,
            labels=listed.labels,
            pod=listed.pod_network,
            is_infra=listed.is_infra,
            just_started=listed.just_started,
            at_host=reading.at_host or self._company.places[listed.id] == "host",
            forwarding=self._publications.forwarding(
                listed, reading, lambda: listeners(every, (), named, range_), others
            ),
            wildcard="::" if _has_ipv6_alone(reading) else "0.0.0.0",  # noqa: S104
            notes=tuple(self._notes(listed, image.invalid, reading)),
        )
        notes = self._observer.acceptance.notes(container)
        if made_by_molecule(listed.labels):
            container = replace(container, substitute=self._company.substitute(container))
            if container.substitute is not None:
                notes = (f"it runs {container.substitute.what}", *notes)
        return replace(container, notes=(*container.notes, *notes)) if notes else container

    def _named(self, identity: str) -> frozenset[Port]:
        """Return the ports that a container's image documents, or that it declares or publishes."""
        if identity not in self._ports:
            listed = self._company[identity]
            documented = self._observer.images.of(listed).documented
            published = (x.port for x in listed.published)
            self._ports[identity] = frozenset({*documented, *listed.declared, *published})
        return self._ports[identity]

    def _named_by_neighbours(self, identity: str, reading: Reading) -> Iterable[frozenset[Port]]:
        """Yield what each neighbour's image documents, and what it declares or publishes.

        It tells a server's UDP socket from a client's. Where an image is unknown and there are no
        such sockets, nothing depends on it: it is the neighbour's trouble alone.
        """
        for other in self._neighbours.of(identity):
            try:
                yield self._named(other)
            except ObservationError:
                if any(x.protocol == "udp" for x in reading.sockets):
                    raise

    def _reading(self, listed: Listed) -> Reading:
        """Return a container's reading; that of exec where only that can see its sockets."""
        reading = self._readings.get(listed.id, ObservationError("it does not run"))
        if isinstance(reading, ObservationError):
            # Where no source sees any of many containers, that it has just ended is not why.
            seen = any(isinstance(x, Reading) for x in self._readings.values())
            alone = len(self._company) == 1
            raise why_unseen(
                self._observer, listed, reading, began=self._began, may_have_ended=seen or alone
            )
        if not self._is_silent(reading):
            return reading
        # No socket at all: true of an idle container, and of one whose kernel is another.
        runtime = self._company.inspect(listed).runtime
        if runtime == "oci":  # what podman says of every one
            runtime = self._observer.default_runtime()
        if runtime in KERNEL_RUNTIMES:
            return reading
        self._readings |= self._look.observe(
            [self._company.target(listed)], runs=self._company.runs, elsewhere=[listed.id]
        )
        self._neighbours = Neighbours(self._readings, self._company.places)
        return self._reading(listed)

    @staticmethod
    def _is_silent(reading: Reading | ObservationError | None) -> bool:
        """Return whether a source that can be deceived in this saw no socket of the container."""
        if not isinstance(reading, Reading) or reading.source == "exec":
            return False
        own = (x for x in reading.sockets if x.address != DNS)  # the engine's, not the container's
        return not any(belongs(x, reading) for x in own)

    def _local_ports(
        self, listed: Listed, reading: Reading, named: frozenset[Port]
    ) -> tuple[int, int]:
        """Return the namespace's range of ports for clients; asks the engine only if it matters."""
        if reading.local_ports is not None:
            return reading.local_ports
        unnamed = (x for x in reading.sockets if Port(x.port, x.protocol) not in named)
        if all(x.protocol == "sctp" or x.address == DNS for x in unnamed):
            return LOCAL_PORTS
        for identity in (listed.id, *self._neighbours.of(listed.id)):
            written = self._company.inspect(self._company[identity]).sysctls
            words = written.get("net.ipv4.ip_local_port_range", "").split()
            if len(words) == 2 and all(x.isdecimal() for x in words):
                return int(words[0]), int(words[1])
        return LOCAL_PORTS

    def _notes(self, listed: Listed, invalid: Sequence[str], reading: Reading) -> list[str]:
        notes = [
            f"its image documents {printable(repr(x))}, which is not a port"
            for x in invalid[:_MOST_INVALID]
        ]
        if len(invalid) > _MOST_INVALID:
            notes.append(f"and {len(invalid) - _MOST_INVALID} more which are none")
        inspected = self._company.inspected(listed.id)
        published = {str(x.port) for x in listed.published}
        vain = [x for x in inspected.wished if x not in published] if inspected is not None else []
        if inspected is not None and vain:
            several = len(listed.networks) > 1
            where = f"in its networks {', '.join(sorted(listed.networks))}"
            where = where if several else f"with --network {inspected.network_mode}"
            notes.append(f"-p {printable(', '.join(vain))} has no effect {printable(where)}")
        notes += [listed.untold] if listed.untold else []
        if not reading.shows_udp6:
            notes.append("its runtime doesn't show UDP over IPv6")
        if reading.addresses == frozenset() and not reading.ipv6:
            notes.append("its network has no address but loopback: nothing outside can reach it")
        return notes


def _has_ipv6_alone(reading: Reading) -> bool:
    """Return whether a namespace has addresses of IPv6, and none of IPv4."""
    found = reading.addresses
    return reading.ipv6 and found is not None and all(":" in x for x in found)
