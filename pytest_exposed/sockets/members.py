"""In which network namespace each container is: told by a process that is proven to be in it.

A container can have processes in other ones, of its own making or of containers that it runs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace

from pytest_exposed.errors import ObservationError
from pytest_exposed.sockets.process import (
    ContainerProcess,
    GoneProcessError,
    identity_of,
    namespace_of,
    pids_of,
)
from pytest_exposed.sockets.reading import Target, ambiguous, anew, has_left, left
from pytest_exposed.sockets.table import parse_ipv4_addresses

_ADDRESSES_LIMIT = 4 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """A process that is in the network of its container."""

    target: Target
    process: ContainerProcess
    addresses: frozenset[str] | None
    """The IPv4 addresses of that network; None where not looked up."""


@dataclass(slots=True)
class Members:
    """The processes of all containers of an engine on this kernel, by the pids they have now."""

    ids: Collection[str]
    """All running containers of the engine: a process that names two of them is nobody's."""
    proc: str = "/proc"
    pids: dict[str, list[int]] = field(init=False)
    host: tuple[int, int] | None = field(init=False)
    """The network namespace of the host's first process; None where hidden."""
    _ids: frozenset[bytes] = field(init=False)
    _users: tuple[int, int] | None = field(init=False)
    """The user namespace of this process, which as root is the host's."""

    def __post_init__(self) -> None:
        self._ids = frozenset(x.encode() for x in self.ids)
        self.pids = pids_of(self.ids, self.proc)
        self.host = namespace_of(f"{self.proc}/1")
        self._users = identity_of(f"{self.proc}/self/ns/user")

    def find(self, target: Target, stack: ExitStack) -> Member:
        """Return a process in the container's own network, held open by the stack; no other is.

        Raises ObservationError where there is none, or which it is can't be told.
        """
        candidates = self._namespaces(target, stack)
        chosen = None
        try:
            chosen = anew(target, lambda x: self._choose(x, candidates))
            return chosen if chosen.target is target else replace(chosen, target=target)
        finally:
            for other in candidates:
                if chosen is None or other is not chosen.process:
                    other.close()

    def together(self, namespace: object, targets: Iterable[Target]) -> set[Target]:
        """Return those of the targets that are in a network namespace in one moment."""
        with ExitStack() as stack:
            found = []
            for target in targets:
                with suppress(ObservationError):
                    found.append(self.find(target, stack))
            together = set()
            for one in found:  # all of which were there when the last was opened
                with suppress(ObservationError):
                    one.process.prove()
                    if one.process.namespace == namespace:
                        together.add(one.target)
            return together

    def _choose(self, target: Target, candidates: Sequence[ContainerProcess]) -> Member:
        found = []
        for process in candidates:
            at_host = None if self.host is None else process.namespace == self.host
            addresses = None if at_host else _ipv4_addresses(process)
            if has_left(target, addresses, at_host=at_host):
                # One that changed its own addresses is where it was.
                if not at_host and self._is_the_engines(target, process):
                    return Member(target, process, addresses)
                continue
            own = None if at_host else self._is_its_own(target, process, alone=len(candidates) == 1)
            if own:
                return Member(target, process, addresses)
            if own is None:
                found.append(Member(target, process, addresses))
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
        return self._is_the_engines(target, process)

    @staticmethod
    def _is_the_engines(target: Target, process: ContainerProcess) -> bool | None:
        """Return whether a process is in the namespace that the engine has a file of."""
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
                process = stack.enter_context(self.process(target.id, pid))
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
        with self.process(target.id, target.main_pid()) as main:
            first = main.namespace
        return sorted(found.values(), key=lambda x: x.namespace != first)

    def process(self, container: str, pid: int) -> ContainerProcess:
        """Return a process that is to be proven the container's."""
        return ContainerProcess(pid, self._ids, container.encode(), self.proc)


def _ipv4_addresses(process: ContainerProcess) -> frozenset[str] | None:
    try:
        return parse_ipv4_addresses(process.read("net/fib_trie", _ADDRESSES_LIMIT))
    except ObservationError:  # a host with a routing table of megabytes: not worth the look
        return None
