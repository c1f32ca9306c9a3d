"""Where containers' publications lead; the engine is asked where that matters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

from pytest_exposed.engine.forwarding import (
    Endpoint,
    anywhere,
    by_docker,
    by_pasta,
    by_podman,
    by_rootlessport,
    lines_of,
)
from pytest_exposed.engine.queries import EngineQueries
from pytest_exposed.engine.records import Listed
from pytest_exposed.model import Forwarding, Listener, Publication, by_port
from pytest_exposed.model.ports import Port
from pytest_exposed.observation.scene import Scene
from pytest_exposed.rules.forwarding import is_reached
from pytest_exposed.sockets.listeners import LOOPBACK_DEVICE
from pytest_exposed.sockets.reading import SocketSnapshot


class Publications:
    """Where the publications of the containers of one scene lead; the engine is asked once."""

    def __init__(self, queries: EngineQueries, scene: Scene) -> None:
        """Take the engine's queries and what is known of the containers."""
        self._queries = queries
        self._scene = scene

    def forwarding(
        self, listed: Listed, reading: SocketSnapshot, heard: Callable[[], Sequence[Listener]]
    ) -> Forwarding:
        """Return where a container's publications lead.

        heard returns the listeners in its network namespace.
        """
        if not listed.published and not listed.publications_unknown:
            return Forwarding()
        found = self._by_engine(listed, reading)
        if any(x.device and x.device != LOOPBACK_DEVICE for x in reading.sockets):
            found = self._of_any_network(listed, found)
        return replace(found, lines=self._lines(listed, heard, found))

    def _by_engine(self, listed: Listed, reading: SocketSnapshot) -> Forwarding:
        endpoints = self._endpoints(listed, reading)
        make = self._queries.make
        if make == "docker":
            return self._by_docker(listed, reading, endpoints)
        if make == "podman":
            return self._by_podman(listed, reading, endpoints)
        listing = {y for x in endpoints for y in x.addresses}
        why = "the engine is neither docker nor podman, and where it forwards to is unknown"
        return anywhere(reading.addresses if reading.addresses is not None else listing, why)

    def _endpoints(self, listed: Listed, reading: SocketSnapshot) -> tuple[Endpoint, ...]:
        listed = self._holder(listed)
        listing = {y for x in listed.endpoints for y in x.addresses}
        if reading.addresses is not None and not listing <= reading.addresses:
            return self._queries.inspect(listed).endpoints  # the list may be older
        return listed.endpoints

    def _holder(self, listed: Listed) -> Listed:
        """Return the container that holds the network: podman's infra container for a pod's."""
        if listed.pod_network is None or listed.infra is None:
            return listed
        return self._scene.containers.get(listed.infra, listed)

    def _by_docker(
        self, listed: Listed, reading: SocketSnapshot, endpoints: tuple[Endpoint, ...]
    ) -> Forwarding:
        bridge = None
        if not any(x.gateway4 or x.gateway6 for x in endpoints):
            bridge = self._gateway_addresses.get(listed.id)
        found = by_docker(endpoints, bridge)
        if reading.default_network is not None and len(endpoints) > 1:
            seen = by_docker(endpoints, bridge, reading.default_network)
            sharing = (listed.id, *self._scene.netns.of(listed.id))
            together = (self._scene.containers[x] for x in sharing)
            # A route that the container made proves nothing.
            if seen != found and not any(self._scene.inspections.of(x).may_route for x in together):
                found = seen
        # What the engine does not say is still one of the namespace's addresses.
        rest = anywhere(reading.addresses, found.why)
        return replace(
            found,
            ipv4=rest.ipv4 if found.ipv4 is None else found.ipv4,
            ipv6=rest.ipv6 if found.ipv6 is None else found.ipv6,
            ingress=rest.ingress if found.ingress is None else found.ingress,
            routed=rest.routed if found.routed is None else found.routed,
        )

    @staticmethod
    def _of_any_network(listed: Listed, found: Forwarding) -> Forwarding:
        """Return a forwarding to any of a container's networks, where it has several.

        Nothing says which network a device is of.
        """
        if len(listed.endpoints) < 2:
            return found
        ipv4 = tuple(x.ipv4 for x in listed.endpoints if x.ipv4)
        ipv6 = tuple(x.ipv6 for x in listed.endpoints if x.ipv6) or ipv4
        return replace(found, ipv4=ipv4, ipv6=ipv6, why=found.why or "it is in several networks")

    def _by_podman(
        self, listed: Listed, reading: SocketSnapshot, endpoints: tuple[Endpoint, ...]
    ) -> Forwarding:
        if not endpoints:
            return self._by_podman_without_network(listed, reading)
        if self._queries.is_rootless:
            return by_rootlessport(y for x in endpoints for y in x.addresses)
        both = self._any_is_both(listed) if any(x.ipv6 for x in endpoints) else True
        only_default = all(x.network == "podman" for x in endpoints)
        forwarding = frozenset({"podman"}) if only_default else self._scene.publishing() or None
        return by_podman(endpoints, forwarding, any_is_both=both)

    def _by_podman_without_network(self, listed: Listed, reading: SocketSnapshot) -> Forwarding:
        """Return where podman forwards to if it shows no address, as without root."""
        mode = self._scene.inspections.of(self._holder(listed)).network_mode.partition(":")[0]
        if mode == "pasta":
            return by_pasta(reading.addresses, any_is_both=self._any_is_both(listed))
        if mode == "slirp4netns" and reading.addresses is not None:
            # Nothing is led to its own IPv6, which it has by default.
            return by_rootlessport(x for x in reading.addresses if ":" not in x)
        return anywhere(reading.addresses, "podman shows no address of it, as without root")

    def _any_is_both(self, listed: Listed) -> bool | None:
        """Return whether podman's 0.0.0.0 means both families.

        Where -p names no address, that is what podman 5 writes in the answers that are docker's
        (inspect.go, in pkg/api/handlers/compat of podman); in its own it is empty.
        """
        asked = {x.host_ip for x in listed.published if ":" not in x.host_ip and x.is_everywhere}
        if asked <= {""}:
            return True
        own = self._holder(listed).host_addresses
        if own is None or {"", "0.0.0.0"} <= own:  # noqa: S104
            return None
        return "" in own

    def _lines(
        self, listed: Listed, heard: Callable[[], Sequence[Listener]], forwarding: Forwarding
    ) -> dict[Port, tuple[tuple[Publication, ...], ...]]:
        """Return the publications of each -p, for the ports where they are judged differently."""
        found = {}
        named = [x for x in listed.published if x.is_everywhere and x.host_ip and not x.ingress]
        for port, wild in by_port(named).items():
            if len({x.host_ip for x in wild}) < 2:
                continue
            own = [x for x in heard() if x.port == port]
            if len({is_reached(own, x, forwarding) for x in wild}) < 2:
                continue
            bindings = self._scene.inspections.of(listed).bindings.get(str(port), ())
            every = tuple(x for x in listed.published if x.port == port)
            found[port] = lines_of(every, bindings)
        return found

    @cached_property
    def _gateway_addresses(self) -> dict[str, str]:
        return self._queries.gateway_addresses()
