"""The targets of an observation, and the snapshots that sources return."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Protocol, TypeVar

from pytest_exposed.errors import ExposedError, ObservationError, StrandedError, ends_run
from pytest_exposed.sockets.table import Socket
from pytest_exposed.text import printable
from pytest_exposed.values import dataclass

T = TypeVar("T")

Sockets = tuple[list[Socket], "Collection[int] | None"]
"""A namespace's listening sockets, and its ports for clients if they can be seen."""

DNS = "127.0.0.11"
"""The address of Docker's DNS server inside the containers of user-defined networks."""


@dataclass(frozen=True, slots=True)
class Target:
    """A running container, to be observed."""

    id: str
    addresses: frozenset[str]
    """Its IPv4 addresses in its networks; its IPv6 addresses if it has no IPv4."""
    place: str
    """The owner of its network namespace, by the engine: its own id, another's, or "host"."""
    shares: bool
    """Whether this is the host's namespace or also another container's, by the engine."""
    main_pid: Callable[[], int]
    """Asks the engine for the pid of its first process; only called if nothing else helps."""
    sandbox: Callable[[], str] = lambda: ""
    """Asks the engine for the file of its network namespace; empty if it has none. Only called if
    a process may be in a namespace of its own making."""
    addresses_now: Callable[[], frozenset[str]] | None = None
    """Asks the engine for its present addresses; only called if no process has the listed ones: see
    retry_with_current_addresses."""
    may_be_anyones: bool = False
    """Whether the owner of its network is unknown: it may be any container's."""

    @property
    def has_only_ipv6(self) -> bool:
        """Whether all its addresses are IPv6."""
        return any(":" in x for x in self.addresses)

    @property
    def has_no_address(self) -> bool:
        """Whether the network is its own, and no address identifies it."""
        return self.place == self.id and not self.addresses

    def now(self) -> Target:
        """Return the target with its present addresses."""
        if not self.addresses or self.addresses_now is None:
            return self
        return replace(self, addresses=self.addresses_now())


LOCAL_PORTS = range(32768, 61000)
"""ip_local_port_range of a new network namespace (ip_sysctl in the kernel's documentation)."""


def client_ports(local: str, reserved: str = "") -> Collection[int] | None:
    """Return the ports that the kernel chooses from: ip_local_port_range minus the reserved ones.

    reserved is ip_local_reserved_ports, such as "8080,9148-9150". None is returned if local is no
    range.
    """
    words = local.split()
    if len(words) != 2 or not all(x.isdecimal() for x in words):
        return None
    ports = range(int(words[0]), int(words[1]) + 1)
    if not reserved.strip():
        return ports
    spans = [x.partition("-") for x in reserved.strip().split(",")]
    taken = [
        range(int(first), int(last or first) + 1)
        for first, _, last in spans
        if first.isdecimal() and (last or first).isdecimal()
    ]
    return frozenset(x for x in ports if not any(x in y for y in taken))


@dataclass(frozen=True, slots=True)
class SocketSnapshot:
    """The sockets in a container's network namespace, and the evidence of their owners."""

    source: str
    namespace: Hashable
    """Equal for containers that share a network namespace."""
    sockets: tuple[Socket, ...]
    ipv6: bool
    """Whether the namespace has an IPv6 address other than loopback."""
    addresses: frozenset[str] | None
    """The namespace's addresses without loopback's; None if not looked up."""
    local_ports: Collection[int] | None
    """Its ports for clients; None if they can't be seen."""
    cgroups: frozenset[int] | None
    """Inodes of the container's cgroup2 directories; None if they can't be seen."""
    held: frozenset[int] | None
    """Inodes of the sockets that its processes hold; None if not looked up or not visible."""
    shared: bool
    """Whether the namespace is the host's or also another container's."""
    at_host: bool = False
    """Whether it is the host's; also false if that can't be seen."""
    default_network: IPv4Network | None = None
    """The network of its default route; None if it has none or it was not looked up."""
    shows_udp6: bool = True
    """Whether UDP sockets of IPv6 would be seen: gVisor shows none."""


SocketSnapshots = dict[str, SocketSnapshot | ObservationError]
"""The sockets of each container by its id, or the error why they can't be seen."""


class Remote(Protocol):
    """An engine's services for the sources that can't see its kernel."""

    @property
    def byteorder(self) -> str:
        """The byte order of the engine's machine, in which its /proc writes addresses."""

    def about(self, name: str) -> str:
        """Return a field of `GET /info`; empty if the engine leaves it out."""

    def run_helper(self, script: str, arguments: Sequence[str], end: bytes) -> bytes:
        """Return the output of a shell script in the one helper container, up to the end mark.

        A new script gets the arguments, a running one reads them from a line of its input.
        """

    def execute(self, container: str, command: Sequence[str]) -> bytes:
        """Return the output of a command in a container."""


class NoProcessError(ObservationError):
    """No process of the container is visible here."""


def reason_of(error: Exception) -> ObservationError:
    """Return an exception of a source, of any class, as the reason why it saw nothing.

    Raises exceptions that must end the run.
    """
    if isinstance(error, ObservationError):
        return error
    if isinstance(error, StrandedError) or ends_run(error):
        raise error
    text = printable(" ".join(str(error).split()))
    if isinstance(error, ExposedError):
        return ObservationError(text)
    return ObservationError(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def is_outside_its_netns(
    target: Target, addresses: frozenset[str] | None, *, at_host: bool | None
) -> bool:
    """Return whether a process is in another network namespace than its container's.

    addresses are those of the process's namespace, at_host says whether it is the host's; None if
    unknown.
    """
    if target.place == "host":
        return at_host is False
    return bool(target.addresses and addresses is not None and not target.addresses & addresses)


def ambiguous(namespaces: int) -> ObservationError:
    """Return the error for a container with several namespaces that could each be its own."""
    return ObservationError(
        f"it has processes in {namespaces} network namespaces with its address, and which is its "
        "own is unknown"
    )


def apart() -> ObservationError:
    """Return the error for a container in a user namespace, perhaps also a network, of its own."""
    return ObservationError(
        "it runs in a user namespace of its own and the engine lists no address for it: whether it "
        "is still in the network that the engine made is unknown; root on the engine's host sees it"
    )


class OutsideItsNetnsError(ObservationError):
    """No process is in the container's own network. This is certain: no other source is asked."""


def outside_its_netns(target: Target) -> OutsideItsNetnsError:
    """Return the error for a container with all its processes outside its network namespace."""
    host = ", that of the host" if target.place == "host" else ""
    where = f", that of {', '.join(sorted(target.addresses))}" if target.addresses else host
    changed = ", or changed its address" if target.addresses else ""
    return OutsideItsNetnsError(
        f"none of its processes is in its network namespace{where}: they have left it{changed}"
    )


def retry_with_current_addresses(target: Target, look: Callable[[Target], T]) -> T:
    """Return look's result; if the target has left its namespace, look with its present addresses.

    It may have been restarted, or connected to another network, since it was listed.
    """
    try:
        return look(target)
    except OutsideItsNetnsError:
        if (now := target.now()) == target:
            raise
        return look(now)


def with_shared(answers: SocketSnapshots) -> SocketSnapshots:
    """Return the answers, marked as shared where two containers have the same namespace."""
    seen = Counter(x.namespace for x in answers.values() if isinstance(x, SocketSnapshot))
    return {
        key: replace(x, shared=True)
        if isinstance(x, SocketSnapshot) and seen[x.namespace] > 1
        else x
        for key, x in answers.items()
    }
