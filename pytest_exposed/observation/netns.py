"""Who shares a network namespace with whom: as the engine says it, and as it was seen."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence

from pytest_exposed.engine.records import Listed
from pytest_exposed.sockets.reading import SocketSnapshot


class NetnsOwners:
    """Whose network namespaces containers are said to be in."""

    def __init__(self, everyone: Iterable[Listed]) -> None:
        """Take all running containers: any of them may have been joined."""
        everyone = tuple(everyone)
        self._known = {x.name: x for x in everyone} | {x.id: x for x in everyone}

    def of(self, listed: Listed) -> str | None:
        """Return a container's id, its own or another's, "host", or None where nothing is said."""
        passed = {listed.id}
        while (mode := listed.network_mode) not in (None, "host"):
            _, joined, other = mode.partition("container:")
            if not joined:
                return listed.id
            then = self._known.get(other)
            # The joined container may have joined another.
            if then is None or then.network_mode is None or then.id in passed:
                return then.id if then is not None else other
            passed.add(then.id)
            listed = then
        return mode

    def may_be_anyones(self, listed: Listed) -> bool:
        """Return whether nothing says whose network a container is in.

        It joined a container that doesn't run, or the namespace of a file (podman's ns:PATH).
        """
        if (listed.network_mode or "").startswith("ns:"):
            return True
        owner = self.of(listed)
        return owner not in (None, "host") and owner not in self._known


def with_netns_mates(wanted: Sequence[Listed], everyone: Sequence[Listed]) -> list[Listed]:
    """Return the wanted containers and all that may be in one of their network namespaces."""
    running = {x.id for x in everyone}
    everyone = [*everyone, *(x for x in wanted if x.id not in running)]
    owners = NetnsOwners(everyone)
    theirs = {owners.of(x) for x in wanted}
    if None in theirs or any(map(owners.may_be_anyones, wanted)):
        return everyone
    chosen = {x.id for x in wanted}
    return [
        x
        for x in everyone
        if x.id in chosen or owners.of(x) in (*theirs, None) or owners.may_be_anyones(x)
    ]


class SharedNetns:
    """Which of the containers that were seen are in one network namespace."""

    def __init__(self, readings: Mapping[str, object], owners: Mapping[str, str]) -> None:
        """Take what was seen, and whose namespace each container is said to be in."""
        self._seen = {k: x for k, x in readings.items() if isinstance(x, SocketSnapshot)}
        self._owners = owners
        self._in_namespace: dict[Hashable, list[str]] = {}
        self._at_owner: dict[str, list[str]] = {}
        self._held: dict[Hashable, frozenset[int]] = {}
        for identity, reading in self._seen.items():
            self._in_namespace.setdefault(_namespace(reading), []).append(identity)
            self._at_owner.setdefault(owners[identity], []).append(identity)

    def of(self, identity: str) -> dict[str, SocketSnapshot]:
        """Return the readings of the others in a container's network namespace, by their ids."""
        own = self._seen[identity]
        found = list(self._in_namespace[_namespace(own)])
        # Sources name namespaces differently: between those, the engine's word decides.
        found += [
            x
            for x in self._at_owner[self._owners[identity]]
            if _names_as(self._seen[x]) != _names_as(own)
        ]
        found = [x for x in found if not _differ(self._seen[x], own)]
        return {x: self._seen[x] for x in found if x != identity}

    def shows_udp6(self, identity: str) -> bool:
        """Return whether a container's UDP sockets of IPv6 would be seen."""
        return self._seen[identity].shows_udp6

    def held(self, identity: str) -> frozenset[int]:
        """Return the inodes of sockets that a container or its neighbours are seen to hold."""
        own = self._seen[identity]
        key = (_namespace(own), self._owners[identity])  # the same for all neighbours
        if key not in self._held:
            together = (own, *self.of(identity).values())
            self._held[key] = frozenset[int]().union(*(x.held or () for x in together))
        return self._held[key]


def _differ(one: SocketSnapshot, other: SocketSnapshot) -> bool:
    """Return whether two are surely in different namespaces: one of them has no address at all.

    `exec` believes the engine, and names both alike; the names of the other sources are proof.
    """
    if "exec" not in (one.source, other.source):
        return False
    if one.addresses is None or other.addresses is None:
        return False
    return bool(one.addresses) != bool(other.addresses)


def _namespace(reading: SocketSnapshot) -> tuple[str, Hashable]:
    return _names_as(reading), reading.namespace


def _names_as(reading: SocketSnapshot) -> str:
    """Return how a source names namespaces: netlink and procfs use the same names."""
    return "kernel" if reading.source in ("netlink", "procfs") else reading.source
