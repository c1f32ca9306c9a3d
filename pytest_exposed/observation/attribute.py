"""Attribute: from a container's record and the sockets in its namespace to a snapshot of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from pytest_exposed.engine.calls import LostError
from pytest_exposed.engine.queries import EngineQueries
from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import EngineError, ObservationError
from pytest_exposed.model import Container, Listener, Observed
from pytest_exposed.model.ports import Port
from pytest_exposed.model.services import made_by_molecule
from pytest_exposed.observation.command import override_of
from pytest_exposed.observation.diagnosis import why_unobservable
from pytest_exposed.observation.publications import Publications
from pytest_exposed.observation.scene import Scene
from pytest_exposed.rules.acceptance import Acceptance
from pytest_exposed.sockets.listeners import listeners
from pytest_exposed.sockets.reading import DNS, LOCAL_PORTS, SocketSnapshot, client_ports
from pytest_exposed.text import printable

_MOST_INVALID = 8
"""Notes on entries of EXPOSE that are no ports: an image made by hand can have any number."""

_LOCAL_PORTS = "32768 60999"
"""The kernel's ip_local_port_range where nothing sets another."""

UNJOINED = "it is in no network any more"
"""Words of a note on a container that joined another's network, which has gone since."""

_NO_ADDRESS = "its network has no address but loopback: nothing outside can reach it"

UNHEALTHY = "its health check fails: it is unhealthy"
"""A note on a container of which its engine says so."""

BELIEVED = "it was seen by exec, which believes its image"
"""Words of a note where the image that was named for the helper can't be used."""


class Attribution:
    """Makes snapshots of a scene's containers, each as if it were alone, not yet judged."""

    def __init__(
        self,
        queries: EngineQueries,
        scene: Scene,
        acceptance: Acceptance,
        *,
        at_run: bool,
    ) -> None:
        """Take the engine's queries and what is known of the containers.

        at_run is whether what a container declares is documented.
        """
        self._at_run = at_run
        self._queries = queries
        self._scene = scene
        self._publications = Publications(queries, scene)
        self._acceptance = acceptance
        self._ports: dict[str, frozenset[Port]] = {}

    def snapshot(self, listed: Listed) -> Observed:
        """Return a snapshot of a container, or why there is none."""
        try:
            return self._snapshot(listed)
        except ObservationError as error:
            return error

    def _snapshot(self, listed: Listed) -> Container:
        if listed.id in self._scene.troubles:
            raise self._scene.troubles[listed.id].with_traceback(None)
        reading = self._reading(listed)
        image = self._queries.images.of(listed)
        named = self._named(listed.id).union(*self._named_by_neighbours(listed.id, reading))
        held = self._scene.netns.held(listed.id)
        range_ = self._local_ports(listed, reading, named)
        found = listeners(reading, held, named, range_)

        def heard() -> Sequence[Listener]:
            """Return all listeners of the namespace: any of them answers a publication."""
            every = replace(reading, held=None, cgroups=None, shared=False)
            return listeners(every, (), named, range_)

        rejoin = self._rejoin(listed) if _has_no_address(reading) else ""
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
            host=self._queries.host,
            labels=listed.labels,
            pod=listed.pod_network,
            is_infra=listed.is_infra,
            just_started=listed.just_started,
            documented_at_run=image.documented | listed.declared if self._at_run else None,
            at_host=reading.at_host or self._scene.netns_owners[listed.id] == "host",
            forwarding=self._publications.forwarding(listed, reading, heard),
            wildcard="::" if _has_ipv6_alone(reading) else "0.0.0.0",  # noqa: S104
            notes=tuple(self._notes(listed, image.invalid, reading, rejoin)),
            rejoin=rejoin,
        )
        notes = self._acceptance.notes(container)
        if made_by_molecule(listed.labels):
            container = replace(container, substitute=override_of(container, self._scene))
            if container.substitute is not None:
                notes = (f"it runs {container.substitute.what}", *notes)
        return replace(container, notes=(*container.notes, *notes)) if notes else container

    def _named(self, identity: str) -> frozenset[Port]:
        """Return the ports that a container's image documents, or that it declares or publishes."""
        if identity not in self._ports:
            listed = self._scene.containers[identity]
            documented = self._queries.images.of(listed).documented
            published = (x.port for x in listed.published)
            self._ports[identity] = frozenset({*documented, *listed.declared, *published})
        return self._ports[identity]

    def _named_by_neighbours(
        self, identity: str, reading: SocketSnapshot
    ) -> Iterable[frozenset[Port]]:
        """Yield what each neighbour's image documents, and what it declares or publishes.

        They show which UDP sockets are servers'. An unknown image is the neighbour's trouble alone
        where there are no UDP sockets.
        """
        for other in self._scene.netns.of(identity):
            try:
                yield self._named(other)
            except ObservationError:
                if any(x.protocol == "udp" for x in reading.sockets):
                    raise

    def _reading(self, listed: Listed) -> SocketSnapshot:
        """Return the sockets in a container's namespace; raises why no source sees them."""
        readings = self._scene.readings
        reading = readings.get(listed.id, ObservationError("it does not run"))
        if isinstance(reading, SocketSnapshot):
            return reading
        # Where no source sees any of many containers, the reason is not that one has ended.
        seen = any(isinstance(x, SocketSnapshot) for x in readings.values())
        raise why_unobservable(
            self._queries,
            listed,
            reading,
            began=self._scene.began,
            may_have_ended=seen or len(self._scene.containers) == 1,
        )

    def _local_ports(
        self, listed: Listed, reading: SocketSnapshot, named: frozenset[Port]
    ) -> Collection[int]:
        """Return the namespace's ports for clients; asks the engine only if it matters."""
        if reading.local_ports is not None:
            return reading.local_ports
        unnamed = (x for x in reading.sockets if Port(x.port, x.protocol) not in named)
        if all(x.protocol == "sctp" or x.address == DNS for x in unnamed):
            return LOCAL_PORTS
        for identity in (listed.id, *self._scene.netns.of(listed.id)):
            written = self._scene.inspections.of(self._scene.containers[identity]).sysctls
            local = written.get("net.ipv4.ip_local_port_range", _LOCAL_PORTS)
            reserved = written.get("net.ipv4.ip_local_reserved_ports", "")
            if (local, reserved) != (_LOCAL_PORTS, ""):
                return client_ports(local, reserved) or LOCAL_PORTS
        return LOCAL_PORTS

    def _notes(
        self, listed: Listed, invalid: Sequence[str], reading: SocketSnapshot, rejoin: str
    ) -> list[str]:
        notes = [
            f"its image documents {printable(repr(x))}, which is not a port"
            for x in invalid[:_MOST_INVALID]
        ]
        if len(invalid) > _MOST_INVALID:
            notes.append(f"and {len(invalid) - _MOST_INVALID} more that are not ports")
        notes += self._in_vain(listed)
        notes += [UNHEALTHY] if "(unhealthy)" in listed.status else []
        notes += [listed.publications_unknown] if listed.publications_unknown else []
        if not reading.shows_udp6:
            notes.append("its runtime doesn't show UDP over IPv6")
        if reading.source == "exec" and (trouble := self._queries.remote.image_trouble):
            notes.append(f"{BELIEVED}; helper: {trouble}")
        if _has_no_address(reading):
            notes.append(f"{UNJOINED}: {rejoin}" if rejoin else _NO_ADDRESS)
        if listed.state == "paused":
            notes.append("it is paused: it answers nothing before `docker unpause`")
        if listed.image.startswith("sha256:"):
            anew = "if you have built it anew under its tag, recreate the container to run that one"
            notes.append(f"the engine knows its image by the id alone: {anew}")
        return notes

    def _rejoin(self, listed: Listed) -> str:
        """Return what brings back the network that a container joined; empty if it is there."""
        owner = self._scene.netns_owners[listed.id]
        if not (listed.network_mode or "").startswith("container:") or owner == "host":
            return ""
        if owner in self._scene.netns.of(listed.id):
            return ""
        if isinstance(self._scene.readings.get(owner), ObservationError):
            return ""  # it runs, and where it is can't be seen
        name = printable(listed.name)
        try:
            found = self._queries.found(owner)
        except LostError:
            raise
        except EngineError:  # a proxy refuses the question
            found = owner[:12], owner in self._scene.containers
        if found is None:
            gone = f"the container whose network it joined has been removed ({owner[:12]})"
            return f"remove {name} and create it anew, as {printable(gone)}"
        other, is_running = printable(found[0]), found[1]
        first = self._scene.containers.get((listed.network_mode or "").partition(":")[2])
        between = f"{printable(first.name)}, and then " if first and first.id != owner else ""
        if not is_running:
            return f"start {other}, whose network it joined, and then restart {between}{name}"
        return f"restart {between}{name}, as {other}, whose network it joined, was restarted"

    def _in_vain(self, listed: Listed) -> list[str]:
        """Return a note where -p asked for what is not published."""
        inspected = self._scene.inspections.known(listed.id)
        if inspected is None:
            return []
        published = {str(x.port) for x in listed.published}
        vain = [x for x in inspected.requested_ports if x not in published]
        if not vain:
            return []
        where = f"with --network {inspected.network_mode}"
        if len(listed.networks) > 1:
            where = f"in its networks {', '.join(sorted(listed.networks))}"
        elif not listed.networks and not re.match(
            "(host|none)$|container:", inspected.network_mode
        ):
            where = "as it is connected to no network"
        return [f"-p {printable(', '.join(vain))} has no effect {printable(where)}"]


def _has_no_address(reading: SocketSnapshot) -> bool:
    """Return whether a namespace is known to have no address but that of its loopback."""
    return reading.addresses == frozenset() and not reading.ipv6


def _has_ipv6_alone(reading: SocketSnapshot) -> bool:
    """Return whether a namespace has addresses of IPv6, and none of IPv4."""
    found = reading.addresses
    return reading.ipv6 and found is not None and all(":" in x for x in found)
