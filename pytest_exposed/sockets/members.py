"""Finds the network namespace of each container, by a process that is proven to be in it.

A container's processes can also be in other namespaces: its own makings, or its inner containers'.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace

from pytest_exposed.errors import ObservationError
from pytest_exposed.sockets.cgroups import names_any, pids_in_cgroups, pids_of
from pytest_exposed.sockets.monitor import (
    ancestor_of,
    descendants_of,
    is_monitor_of,
    mounted_namespace,
    parent_of,
    read_file,
)
from pytest_exposed.sockets.process import (
    ContainerProcess,
    GoneProcessError,
    identity_of,
    namespace_of,
)
from pytest_exposed.sockets.reading import (
    NoProcessError,
    Target,
    ambiguous,
    apart,
    is_outside_its_netns,
    outside_its_netns,
    retry_with_current_addresses,
)
from pytest_exposed.sockets.table import lines_of
from pytest_exposed.sockets.tables.fib_trie import parse_ipv4_addresses
from pytest_exposed.sockets.tables.if_inet6 import parse_ipv6_addresses
from pytest_exposed.sockets.tables.uid_map import has_one_user
from pytest_exposed.values import dataclass

_ADDRESSES_LIMIT = 4 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """A process that is in the network of its container."""

    target: Target
    process: ContainerProcess
    addresses: frozenset[str] | None
    """The addresses in that network, at least IPv4's; None if not looked up."""
    at_host: bool
    """Whether it is the engine's host network; also false where that can't be seen."""


class Members:
    """The processes of all containers of an engine on this kernel, by the pids they have now."""

    def __init__(self, ids: Collection[str], proc: str) -> None:
        """Look for the pids of all running containers of the engine; raises OSError without /proc.

        A process that names two of the containers is nobody's.
        """
        self.ids = ids
        self._ids = frozenset(x.encode() for x in ids)
        self._proc = proc
        self.pids = pids_in_cgroups(ids, proc)
        self._has_looked_at_all = False
        """Whether /proc was searched for containers without a cgroup of cgroup2."""
        if not self.pids:
            self._look_at_all()
        self._monitors: dict[str, int] = {}
        """The monitors of containers that no cgroup names."""
        self._host = namespace_of(f"{proc}/1")
        """The network namespace of the first process here; None where hidden."""
        self._users = identity_of(f"{proc}/self/ns/user")
        """The user namespace of this process, which as root is the host's."""

    def _look_at_all(self) -> None:
        self._has_looked_at_all = True
        self.pids = {**pids_of(self.ids, self._proc), **self.pids}

    def find(self, target: Target, stack: ExitStack) -> Member:
        """Return a process in the container's own network; the stack holds it open.

        Raises ObservationError if there is none, or if it is one of several and unclear which.
        """
        candidates = self._namespaces(target, stack)
        chosen = None
        try:
            chosen = retry_with_current_addresses(target, lambda x: self._choose(x, candidates))
            return chosen if chosen.target is target else replace(chosen, target=target)
        finally:
            for other in candidates:
                if chosen is None or other is not chosen.process:
                    other.close()

    def together(self, namespace: object, targets: Iterable[Target]) -> set[Target]:
        """Return the targets that are in a network namespace at one moment."""
        with ExitStack() as stack:
            found = []
            for target in targets:
                with suppress(ObservationError):
                    found.append(self.find(target, stack))
            together = set()
            for one in found:  # all were open when the last one was opened
                with suppress(ObservationError):
                    one.process.prove()
                    if one.process.namespace == namespace:
                        together.add(one.target)
            return together

    def _choose(self, target: Target, candidates: Sequence[ContainerProcess]) -> Member:
        found = []
        for process in candidates:
            at_host = self._is_at_host(target, process)
            addresses = None if at_host else _addresses(target, process)
            member = Member(target, process, addresses, at_host=bool(at_host))
            if is_outside_its_netns(target, addresses, at_host=at_host):
                # A container that changed its own addresses is still in its network.
                if not at_host and self._is_the_engines(target, process):
                    return replace(member, at_host=target.place == "host")
                continue
            own = None if at_host else self._is_its_own(target, process, alone=len(candidates) == 1)
            if own:
                return member
            if own is None:
                found.append(member)
        if not found:
            raise outside_its_netns(target)
        if len(found) > 1 and target.addresses:
            raise ambiguous(len(found))
        return found[0]

    def _is_at_host(self, target: Target, process: ContainerProcess) -> bool | None:
        """Return whether a process is in its engine's host network; None if that is unknown.

        An engine can have a network namespace of its own (rootless docker, docker in docker). Its
        monitors are in this namespace, the first process here is not.
        """
        if target.place != "host":
            return None if self._host is None else process.namespace == self._host
        monitor = self._monitor(target, process)
        host = namespace_of(f"{self._proc}/{monitor}") if monitor is not None else None
        if host is None or monitor != self._monitor(target, process):  # it ended meanwhile
            host = self._host
        return None if host is None else process.namespace == host

    def _monitor(self, target: Target, process: ContainerProcess) -> int | None:
        """Return the pid of a container's monitor: the nearest ancestor outside the container."""
        members = set(self.pids.get(target.id, ()))
        return ancestor_of(process.pid, lambda x: x not in members, self._proc)

    def _is_its_own(self, target: Target, process: ContainerProcess, *, alone: bool) -> bool | None:
        """Return whether a namespace is the one that the engine made; None if that is unknown.

        In a user namespace of its own, which takes no privilege, a process can make a network with
        any address. So the engine need not be asked if all processes of the container are in one
        network and the given one is in our user namespace, unless no address identifies the
        network.
        """
        users = process.identity("ns/user")
        if alone and users == self._users and not target.has_no_address:
            return None
        own = self._is_the_engines(target, process) if users is not None else None
        if own is None and target.has_no_address and self._has_users_apart(target, process):
            raise apart()
        return own

    def _has_users_apart(self, target: Target, process: ContainerProcess) -> bool:
        """Return whether a process, and not its monitor, is in a user namespace of its own making.

        Maps of user ids are world-readable (user_namespaces(7)).
        """
        monitor = self._monitor(target, process)
        if monitor is None:
            return False
        engines, its = (read_file(x, "uid_map", self._proc) for x in (monitor, process.pid))
        return bool(engines) and engines != its and has_one_user(its)

    def _is_the_engines(self, target: Target, process: ContainerProcess) -> bool | None:
        """Return whether a process is in the namespace at the engine's own file."""
        own = process.identity("ns/net")
        path = target.sandbox() if own is not None else ""
        # Where podman made no network, its file is that of the first process itself.
        if own is None or not path or path.startswith("/proc/"):
            return None
        # Each namespace of the engine has a file of its own name, except the host's network.
        unique = target.place != "host" and not target.may_be_anyones
        made = identity_of(path) if unique else None
        # In another mount namespace than the engine's, this path is some other file.
        if made is None or own[0] != made[0]:
            monitor = self._monitor(target, process)
            made = mounted_namespace(monitor, path, self._proc) if monitor is not None else None
        return None if made is None else own == made

    def _namespaces(self, target: Target, stack: ExitStack) -> Sequence[ContainerProcess]:
        """Return a process of the container in each network namespace that it has processes in."""
        found: dict[object, ContainerProcess] = {}
        if target.id not in self.pids and not self._has_looked_at_all:
            self._look_at_all()
        if not self.pids.get(target.id):
            self._look_for_its_monitor(target)
        for pid in self.pids.get(target.id, ()):
            try:
                process = stack.enter_context(self.process(target.id, pid))
            except GoneProcessError:
                continue
            if process.namespace in found:
                process.close()
            else:
                found[process.namespace] = process
        if not found:
            raise NoProcessError("no process here is the container's")
        if len(found) == 1:
            return tuple(found.values())
        # A container that runs containers has processes in their namespaces, too.
        with self.process(target.id, target.main_pid()) as main:
            first = main.namespace
        return sorted(found.values(), key=lambda x: x.namespace != first)

    def process(self, container: str, pid: int) -> ContainerProcess:
        """Return a process; entering it proves that it is the container's."""
        monitor = self._monitors.get(container)
        return ContainerProcess(pid, self._ids, container.encode(), self._proc, monitor)

    def _look_for_its_monitor(self, target: Target) -> None:
        """Find a container's processes by their monitor, if no cgroup names the container.

        Engines without the right to make cgroups give containers none of their own: rootless
        docker without systemd, podman --cgroups=disabled. The engine's pid of the first process
        is believed if its parent is the container's monitor. A cgroup that names several
        containers has a deceptive name and proves nothing.
        """
        pid = target.main_pid()
        if names_any(read_file(pid, "cgroup", self._proc), self._ids):
            return
        parent = parent_of(pid, self._proc)
        if parent is not None and is_monitor_of(parent, target.id.encode(), self._proc):
            self._monitors[target.id] = parent
            self.pids[target.id] = descendants_of(parent, self._proc)


def _addresses(target: Target, process: ContainerProcess) -> frozenset[str] | None:
    try:
        found = parse_ipv4_addresses(process.read("net/fib_trie", _ADDRESSES_LIMIT))
    except ObservationError:  # a routing table of megabytes is not worth reading
        return None
    if found is not None and target.has_only_ipv6:
        return found.union(ipv6_addresses(process))
    return found


def ipv6_addresses(process: ContainerProcess) -> list[str]:
    """Return the IPv6 addresses of a process's network, loopback's left out."""
    try:
        return parse_ipv6_addresses(lines_of(process.chunks("net/if_inet6"), "if_inet6"))
    except FileNotFoundError:  # a kernel without IPv6
        return []
    except OSError as error:
        raise ObservationError(f"net/if_inet6 can't be read: {error.strerror}") from None
