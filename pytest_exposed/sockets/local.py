"""Sockets of containers whose processes are visible here: the base of netlink and procfs.

Both read through one proven process of each container, and prove it again after the reading.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import IPv4Network
from itertools import chain

from pytest_exposed.errors import ObservationError
from pytest_exposed.model import Process as Owner
from pytest_exposed.sockets.members import Member, Members, ipv6_addresses
from pytest_exposed.sockets.process import ContainerProcess, GoneProcessError
from pytest_exposed.sockets.reading import (
    DNS,
    Sockets,
    SocketSnapshot,
    SocketSnapshots,
    Target,
    reason_of,
    with_shared,
)
from pytest_exposed.sockets.table import Socket, lines_of

Read = Callable[[ContainerProcess], Sockets]

_HELD_PROCESSES = 4096
_AT_ONCE = 64
"""Containers with processes held open at a time: well below a limit of 256 open files."""


class Local:
    """One observation of an engine's containers on this kernel, by their present pids."""

    def __init__(self, ids: Collection[str], proc: str = "/proc") -> None:
        """Look for the pids of all running containers; raises OSError without /proc."""
        self._members = Members(ids, proc)
        self._has_sctp = _may_have_sctp(proc)
        """Whether the kernel may have SCTP, so that each namespace has a table of it."""

    @property
    def pids(self) -> dict[str, list[int]]:
        """The pids of each container, lowest first."""
        return self._members.pids

    def observe(
        self,
        targets: Sequence[Target],
        source: str,
        read: Read,
        ahead: Callable[[Iterable[ContainerProcess]], None] = lambda _: None,
        seen_by: Callable[[str, ContainerProcess], None] | None = None,
    ) -> SocketSnapshots:
        """Return the sockets of each target, or why they can't be read.

        read returns the sockets of one process. ahead gets the next processes, many at a time;
        seen_by, the process by which each container was seen.
        """
        answers: SocketSnapshots = {}
        seen: dict[object, Sockets] = {}
        for begin in range(0, len(targets), _AT_ONCE):
            with ExitStack() as stack:
                found: list[Member] = []
                for target in targets[begin : begin + _AT_ONCE]:
                    try:
                        found.append(self._members.find(target, stack))
                    except Exception as error:  # noqa: BLE001  # one's failure, of whatever class, is no other's
                        answers[target.id] = reason_of(error)
                fresh = {x.process.namespace: x.process for x in found if _key(x) not in seen}
                ahead(fresh.values())
                for one in found:
                    try:
                        answers[one.target.id] = self._reading(one, source, read, seen)
                        if seen_by is not None:
                            seen_by(one.target.id, one.process)
                    except Exception as error:  # noqa: BLE001  # one's failure, of whatever class, is no other's
                        answers[one.target.id] = reason_of(error)
        self._tell_apart(targets, answers)
        return self._with_holders(with_shared(answers))

    def _reading(
        self, found: Member, source: str, read: Read, seen: dict[object, Sockets]
    ) -> SocketSnapshot:
        process, addresses = found.process, found.addresses
        key = _key(found)
        if key not in seen:
            sockets, local_ports = read(process)
            # sock_diag answers an empty dump for a protocol whose module is missing.
            endpoints = _sctp_endpoints(process) if self._has_sctp else []
            seen[key] = sockets + endpoints, local_ports
        sockets, local_ports = seen[key]
        ipv6 = ipv6_addresses(process)
        reading = SocketSnapshot(
            source=source,
            namespace=process.namespace,
            sockets=tuple(sockets),
            ipv6=bool(ipv6),
            addresses=addresses.union(ipv6) if addresses is not None else None,
            local_ports=local_ports,
            cgroups=_cgroups(process, sockets),
            held=None,
            shared=found.target.shares or found.at_host,
            at_host=found.at_host,
            default_network=_default_network(found),
        )
        process.prove()
        return reading

    def _tell_apart(self, targets: Iterable[Target], answers: SocketSnapshots) -> None:
        """Separate containers that only seem to share a namespace.

        The kernel reuses the inodes of namespaces: a container that ended since it was read and a
        new one could seem to share theirs. So the engine must say that they do, or both must be in
        it at this moment.
        """
        by_namespace: dict[object, dict[Target, SocketSnapshot]] = {}
        for target in targets:
            if isinstance(reading := answers[target.id], SocketSnapshot):
                by_namespace.setdefault(reading.namespace, {})[target] = reading
        for namespace, readings in by_namespace.items():
            if len({x.place for x in readings}) < 2:
                continue
            together = self._members.together(namespace, readings)
            for target, reading in readings.items():
                if target not in together:
                    answers[target.id] = replace(reading, namespace=(namespace, target.id))

    def _with_holders(self, answers: SocketSnapshots) -> SocketSnapshots:
        """Return the answers with the sockets that processes hold, if the owner depends on it."""
        for key, x in answers.items():
            if isinstance(x, SocketSnapshot) and (
                x.shared or any(_of_another(y, x.cgroups) for y in x.sockets)
            ):
                answers[key] = replace(x, held=self._held(key))
        return answers

    def _held(self, container: str) -> frozenset[int] | None:
        """Return the inodes of all sockets that the container's processes hold, if visible."""
        held: set[int] = set()
        pids = self.pids.get(container, ())
        if len(pids) > _HELD_PROCESSES:
            return None
        for pid in pids:
            try:
                with self._members.process(container, pid) as process:
                    held |= process.sockets_held()
            except (GoneProcessError, FileNotFoundError, ProcessLookupError):
                continue
            except (ObservationError, OSError):
                return None
        return frozenset(held)

    def owners(self, container: str, inodes: Collection[int]) -> dict[int, tuple[Owner, ...]]:
        """Return the container's processes that hold each of the sockets, as far as visible."""
        owners: dict[int, set[Owner]] = {}
        depth = self._depth(container)
        for pid in self.pids.get(container, ())[:_HELD_PROCESSES]:
            try:
                with self._members.process(container, pid) as process:
                    if held := process.sockets_held().intersection(inodes):
                        owner = process.owner(depth)
                        for inode in held:
                            owners.setdefault(inode, set()).add(owner)
            except (ObservationError, OSError):
                continue
        return {inode: tuple(sorted(found)) for inode, found in owners.items()}

    def _depth(self, container: str) -> int | None:
        """Return how many pid namespaces the container's own processes are in; None if hidden.

        Processes of containers inside it are in more. None is in fewer: the first process of a pid
        namespace lives as long as the namespace (pid_namespaces(7)).
        """
        depths = []
        for pid in self.pids.get(container, ())[:_HELD_PROCESSES]:
            try:
                with self._members.process(container, pid) as process:
                    depths.append(len(process.pids_inside()))
            except ObservationError:
                continue
        return min(depths, default=None)


def _key(found: Member) -> tuple[str, tuple[int, int]]:
    """Return the key of a namespace, for containers that the engine says share it.

    It includes the owner, because the kernel may have given its inode to another one meanwhile.
    """
    return found.target.place, found.process.namespace


def _of_another(socket: Socket, cgroups: frozenset[int] | None) -> bool:
    """Return whether something other than the container may have made a socket of its namespace."""
    if socket.cgroup is None or cgroups is None:
        return socket.address == DNS
    return socket.cgroup not in cgroups


def _may_have_sctp(proc: str) -> bool:
    """Return False where the namespace of this process is seen to have no table of SCTP."""
    try:
        return "sctp" in os.listdir(f"{proc}/self/net")
    except OSError:  # this process isn't in that /proc
        return True


def _sctp_endpoints(process: ContainerProcess) -> list[Socket]:
    """Return the SCTP endpoints; none if the kernel has no SCTP, so that nothing can listen."""
    lines = lines_of(process.chunks("net/sctp/eps"), "sctp/eps")
    try:
        heading = next(lines, b"")
        from pytest_exposed.sockets.tables.sctp_eps import parse_endpoints  # noqa: PLC0415  # rare

        return parse_endpoints(chain([heading], lines))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ObservationError(f"net/sctp/eps can't be read: {error.strerror}") from None


def _default_network(found: Member) -> IPv4Network | None:
    """Return the network of the default route of a container that is in several networks."""
    if len(found.target.addresses) < 2:
        return None
    from pytest_exposed.sockets.tables.route import parse_default_network  # noqa: PLC0415  # rare

    try:
        lines = lines_of(found.process.chunks("net/route"), "route")
        return parse_default_network(lines, sys.byteorder)
    except OSError as error:
        raise ObservationError(f"net/route can't be read: {error.strerror}") from None


def _cgroups(process: ContainerProcess, sockets: Iterable[Socket]) -> frozenset[int] | None:
    """Return the inodes of the container's cgroup2 directory and, where needed, of those below."""
    directory = process.cgroup_directory()
    if directory is None:
        return None
    # The process may be in a cgroup of any name below the container's own.
    above, own, rest = directory.partition(process.id.decode())
    top = above + own + rest.partition("/")[0]
    try:
        inodes = {os.stat(top).st_ino}
        if any(x.cgroup is not None and x.cgroup not in inodes for x in sockets):
            inodes.update(os.stat(path).st_ino for path, _, _ in os.walk(top))
    except OSError:
        return None
    return frozenset(inodes)
