"""Sockets of containers whose processes are this kernel's, in this pid namespace: netlink, procfs.

Both ask one proven process of each container, and prove it again after they have asked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Container, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace

from pytest_exposed.errors import ObservationError
from pytest_exposed.model import Process as Owner
from pytest_exposed.sockets.process import (
    ContainerProcess,
    GoneProcessError,
    identity_of,
    namespace_of,
    pids_of,
)
from pytest_exposed.sockets.reading import (
    DNS,
    Answer,
    LeftError,
    Reading,
    Target,
    ambiguous,
    has_left,
    left,
    with_shared,
)
from pytest_exposed.sockets.table import (
    Socket,
    lines_of,
    parse_endpoints,
    parse_ipv4_addresses,
    parse_ipv6_addresses,
)

Read = Callable[[ContainerProcess], Answer]

_ADDRESSES_LIMIT = 4 << 20
_HELD_PROCESSES = 4096
_AT_ONCE = 64
"""Containers of which processes are held open together, not to come near a limit of 256 files."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A process that is in the network of the container that is looked for."""

    target: Target
    process: ContainerProcess
    addresses: frozenset[str] | None
    """The IPv4 addresses of that network; None where not looked up."""

    def is_in(self, seen: Container[object]) -> bool:
        """Return whether its network is among those seen before.

        What tells it apart may be another's since: that is believed of containers said to share.
        """
        return self.target.shares and self.process.namespace in seen


@dataclass(slots=True)
class Local:
    """One look at the containers of an engine on this kernel, by the pids they have now."""

    ids: Collection[str]
    """All running containers of the engine: a process that names two of them is nobody's."""
    proc: str = "/proc"
    pids: dict[str, list[int]] = field(init=False)
    _ids: frozenset[bytes] = field(init=False)
    _host: tuple[int, int] | None = field(init=False)
    _users: tuple[int, int] | None = field(init=False)
    """The user namespace of this process, which as root is the host's."""

    def __post_init__(self) -> None:
        self._ids = frozenset(x.encode() for x in self.ids)
        self.pids = pids_of(self.ids, self.proc)
        self._host = namespace_of(f"{self.proc}/1")
        self._users = identity_of(f"{self.proc}/self/ns/user")

    def observe(
        self,
        targets: Sequence[Target],
        source: str,
        read: Read,
        ahead: Callable[[Iterable[ContainerProcess]], None] = lambda _: None,
    ) -> dict[str, Reading | ObservationError]:
        """Return what read sees of each target, or why it can't.

        ahead is told of the processes that read is called with next, many at a time.
        """
        answers: dict[str, Reading | ObservationError] = {}
        seen: dict[object, Answer] = {}
        for begin in range(0, len(targets), _AT_ONCE):
            with ExitStack() as stack:
                found: list[_Found] = []
                for target in targets[begin : begin + _AT_ONCE]:
                    try:
                        found.append(self._find(target, stack))
                    except ObservationError as error:
                        answers[target.id] = error
                fresh = {x.process.namespace: x.process for x in found if not x.is_in(seen)}
                ahead(fresh.values())
                for one in found:
                    try:
                        answers[one.target.id] = self._reading(one, source, read, seen)
                    except ObservationError as error:
                        answers[one.target.id] = error
        self._tell_apart(targets, answers)
        return self._with_holders(with_shared(answers))

    def _reading(
        self, found: _Found, source: str, read: Read, seen: dict[object, Answer]
    ) -> Reading:
        process, addresses = found.process, found.addresses
        if not found.is_in(seen):
            sockets, local_ports = read(process)
            # sock_diag answers an empty dump for a protocol whose module is missing.
            seen[process.namespace] = sockets + _sctp_endpoints(process), local_ports
        sockets, local_ports = seen[process.namespace]
        ipv6 = _ipv6_addresses(process)
        at_host = process.namespace == self._host
        reading = Reading(
            source=source,
            namespace=process.namespace,
            sockets=tuple(sockets),
            ipv6=bool(ipv6),
            addresses=addresses.union(ipv6) if addresses is not None else None,
            local_ports=local_ports,
            cgroups=_cgroups(process, sockets),
            held=None,
            shared=found.target.shares or at_host,
            at_host=at_host,
        )
        process.prove()
        return reading

    def _tell_apart(
        self, targets: Iterable[Target], answers: dict[str, Reading | ObservationError]
    ) -> None:
        """Let containers be in one namespace only where they are said to be, or are in this moment.

        The kernel gives a new namespace what told one apart that is gone: a container that ended
        since it was read, and one that was started, would look like neighbours.
        """
        by_namespace: dict[object, dict[Target, Reading]] = {}
        for target in targets:
            if isinstance(reading := answers[target.id], Reading):
                by_namespace.setdefault(reading.namespace, {})[target] = reading
        for namespace, readings in by_namespace.items():
            if len({x.place for x in readings}) < 2:
                continue
            together = self._in_this_moment(namespace, readings)
            for target, reading in readings.items():
                if target not in together:
                    answers[target.id] = replace(reading, namespace=(namespace, target.id))

    def _in_this_moment(self, namespace: object, targets: Iterable[Target]) -> set[Target]:
        with ExitStack() as stack:
            found = []
            for target in targets:
                with suppress(ObservationError):
                    found.append(self._find(target, stack))
            together = set()
            for one in found:  # all of which were there when the last was opened
                with suppress(ObservationError):
                    one.process.prove()
                    if one.process.namespace == namespace:
                        together.add(one.target)
            return together

    def _find(self, target: Target, stack: ExitStack) -> _Found:
        """Return a process in the container's own network, held open by the stack; no other is."""
        candidates = self._namespaces(target, stack)
        chosen = None
        try:
            try:
                chosen = self._choose(target, candidates)
            except LeftError:
                if (now := target.now()) == target:
                    raise
                chosen = replace(self._choose(now, candidates), target=target)
            return chosen
        finally:
            for other in candidates:
                if chosen is None or other is not chosen.process:
                    other.close()

    def _choose(self, target: Target, candidates: Sequence[ContainerProcess]) -> _Found:
        found = []
        for process in candidates:
            at_host = None if self._host is None else process.namespace == self._host
            addresses = None if at_host else _ipv4_addresses(process)
            if has_left(target, addresses, at_host=at_host):
                continue
            own = None if at_host else self._is_its_own(target, process, alone=len(candidates) == 1)
            if own:
                return _Found(target, process, addresses)
            if own is None:
                found.append(_Found(target, process, addresses))
        if not found:
            raise left(target)
        if len(found) > 1 and target.addresses:
            raise ambiguous(len(found))
        return found[0]

    def _is_its_own(self, target: Target, process: ContainerProcess, *, alone: bool) -> bool | None:
        """Return whether a namespace is the one that the engine made; None where nothing tells.

        A user namespace of one's own, which needs no privilege, is enough to make a network in
        which any address can be had. So where all its processes are in one network, and that which
        is asked is in our own user namespace, the engine is not asked.
        """
        users = process.identity("ns/user")
        if users is None or (alone and users == self._users):
            return None
        own, made = process.identity("ns/net"), identity_of(target.sandbox())
        # Where the engine's files are not this mount namespace's, that is another kind of file.
        if own is None or made is None or own[0] != made[0]:
            return None
        return own == made

    def _namespaces(self, target: Target, stack: ExitStack) -> Sequence[ContainerProcess]:
        """Return a process of the container in each network namespace that it has processes in."""
        found: dict[object, ContainerProcess] = {}
        for pid in self.pids.get(target.id, ()):
            try:
                process = stack.enter_context(self._process(target.id, pid))
            except GoneProcessError:
                continue
            if process.namespace in found:
                process.close()
            else:
                found[process.namespace] = process
        if not found:
            raise ObservationError(
                "no process here is the container's: the engine runs on another kernel or in "
                "another pid namespace, or /proc is mounted with hidepid"
            )
        if len(found) == 1:
            return tuple(found.values())
        # A container that runs containers has processes in the namespaces of those, too.
        with self._process(target.id, target.main_pid()) as main:
            first = main.namespace
        return sorted(found.values(), key=lambda x: x.namespace != first)

    def _process(self, container: str, pid: int) -> ContainerProcess:
        return ContainerProcess(pid, self._ids, container.encode(), self.proc)

    def _with_holders(
        self, answers: dict[str, Reading | ObservationError]
    ) -> dict[str, Reading | ObservationError]:
        """Return answers with the sockets that processes hold, where that tells whose they are."""
        for key, x in answers.items():
            if isinstance(x, Reading) and (
                x.shared or any(_of_another(y, x.cgroups) for y in x.sockets)
            ):
                answers[key] = replace(x, held=self._held(key))
        return answers

    def _held(self, container: str) -> frozenset[int] | None:
        """Return the inodes of all sockets that the container's processes hold, if visible."""
        held: set[int] = set()
        if len(self.pids[container]) > _HELD_PROCESSES:
            return None
        for pid in self.pids[container]:
            try:
                with self._process(container, pid) as process:
                    held |= process.sockets_held()
            except PermissionError:
                return None
            except (GoneProcessError, OSError):
                continue
        return frozenset(held)

    def owners(self, container: str, inodes: Collection[int]) -> dict[int, tuple[Owner, ...]]:
        """Return the container's processes that hold each of the sockets, as far as visible."""
        owners: dict[int, set[Owner]] = {}
        for pid in self.pids.get(container, ())[:_HELD_PROCESSES]:
            try:
                with self._process(container, pid) as process:
                    if held := process.sockets_held().intersection(inodes):
                        owner = process.owner()
                        for inode in held:
                            owners.setdefault(inode, set()).add(owner)
            except (ObservationError, OSError):
                continue
        return {inode: tuple(sorted(found)) for inode, found in owners.items()}


def _of_another(socket: Socket, cgroups: frozenset[int] | None) -> bool:
    """Return whether something else than the container may have made a socket of its namespace."""
    if socket.cgroup is None or cgroups is None:
        return socket.address == DNS
    return socket.cgroup not in cgroups


def _sctp_endpoints(process: ContainerProcess) -> list[Socket]:
    """Return the SCTP endpoints; none where the kernel has no SCTP, which is certain knowledge."""
    try:
        return parse_endpoints(lines_of(process.chunks("net/sctp/eps"), "sctp/eps"))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ObservationError(f"net/sctp/eps can't be read: {error.strerror}") from None


def _ipv6_addresses(process: ContainerProcess) -> list[str]:
    try:
        return parse_ipv6_addresses(lines_of(process.chunks("net/if_inet6"), "if_inet6"))
    except FileNotFoundError:  # a kernel without IPv6
        return []
    except OSError as error:
        raise ObservationError(f"net/if_inet6 can't be read: {error.strerror}") from None


def _ipv4_addresses(process: ContainerProcess) -> frozenset[str] | None:
    try:
        return frozenset(parse_ipv4_addresses(process.read("net/fib_trie", _ADDRESSES_LIMIT)))
    except ObservationError:  # a host with a routing table of megabytes: not worth the look
        return None


def _cgroups(process: ContainerProcess, sockets: Iterable[Socket]) -> frozenset[int] | None:
    """Return the inodes of the container's cgroup2 directory and, where needed, of those below."""
    directory = process.cgroup_directory()
    if directory is None:
        return None
    # The process may be in a cgroup below the container's own, of whatever name.
    above, own, rest = directory.partition(process.id.decode())
    top = above + own + rest.partition("/")[0]
    try:
        inodes = {os.stat(top).st_ino}
        if any(x.cgroup is not None and x.cgroup not in inodes for x in sockets):
            inodes.update(os.stat(path).st_ino for path, _, _ in os.walk(top))
    except OSError:
        return None
    return frozenset(inodes)
