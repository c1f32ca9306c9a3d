"""What the sources are asked for, and what they answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Protocol, TypeVar

from pytest_exposed.errors import ExposedError, ObservationError, StrandedError, ends_run
from pytest_exposed.sockets.table import Socket
from pytest_exposed.text import printable
from pytest_exposed.values import dataclass

T = TypeVar("T")

Sockets = tuple[list[Socket], "Collection[int] | None"]
"""A namespace's listening sockets, and its ports for clients where they can be seen."""

DNS = "127.0.0.11"
"""Where Docker answers DNS inside the containers of user-defined networks."""


@dataclass(frozen=True, slots=True)
class Target:
    """A running container whose sockets are asked for."""

    id: str
    addresses: frozenset[str]
    """Its IPv4 addresses in its networks, or its IPv6 addresses where it has none of these."""
    place: str
    """Whose network namespace it is said to be in: its own id, another's, or "host"."""
    shares: bool
    """Whether that is said to be the host's namespace, or another container's too."""
    main_pid: Callable[[], int]
    """Asks the engine for the pid of its first process; only called where nothing else tells."""
    sandbox: Callable[[], str] = lambda: ""
    """Asks the engine for the file that is its network namespace; empty where it has none. Only
    called where a process may be in another one that it made."""
    addresses_now: Callable[[], frozenset[str]] | None = None
    """Asks the engine for its addresses again; only called where no process has those: see
    retry_with_current_addresses."""
    may_be_anyones: bool = False
    """Whether nothing says whose network it is in: it may be any container's."""

    @property
    def has_only_ipv6(self) -> bool:
        """Whether its addresses are those of IPv6."""
        return any(":" in x for x in self.addresses)

    @property
    def has_no_address(self) -> bool:
        """Whether the network is its own, and no address tells which it is."""
        return self.place == self.id and not self.addresses

    def now(self) -> Target:
        """Return the target with the addresses that it has now."""
        if not self.addresses or self.addresses_now is None:
            return self
        return replace(self, addresses=self.addresses_now())


LOCAL_PORTS = range(32768, 61000)
"""ip_local_port_range of a new network namespace (ip_sysctl in the kernel's documentation)."""


def client_ports(local: str, reserved: str = "") -> Collection[int] | None:
    """Return the ports that the kernel chooses from: ip_local_port_range without the reserved ones.

    reserved is ip_local_reserved_ports, such as "8080,9148-9150". None where local is no range.
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
    """The sockets in a container's network namespace, and what helps to tell whose they are."""

    source: str
    namespace: Hashable
    """Equal for containers that share a network namespace."""
    sockets: tuple[Socket, ...]
    ipv6: bool
    """Whether the namespace has an IPv6 address other than loopback."""
    addresses: frozenset[str] | None
    """The namespace's addresses, but for loopback's; None where not looked up."""
    local_ports: Collection[int] | None
    """Its ports for clients; None where they can't be seen."""
    cgroups: frozenset[int] | None
    """Inodes of the container's cgroup2 directories; None where they can't be seen."""
    held: frozenset[int] | None
    """Inodes of the sockets that its processes hold; None where not looked up or not visible."""
    shared: bool
    """Whether the namespace is the engine's host's, or another container's too."""
    at_host: bool = False
    """Whether it is the host's; false too where that can't be seen."""
    default_network: IPv4Network | None = None
    """The network of its default route; None where it has none, or it was not looked up."""
    shows_udp6: bool = True
    """Whether UDP sockets of IPv6 would be seen: gVisor shows none."""


class Remote(Protocol):
    """What an engine does for the sources that can't see its kernel."""

    @property
    def byteorder(self) -> str:
        """That of the engine's machine: /proc writes addresses as words of that machine."""

    def about(self, name: str) -> str:
        """Return a field of what the engine tells of itself; empty where it doesn't tell."""

    def run_helper(self, script: str, arguments: Sequence[str], end: bytes) -> bytes:
        """Return what a shell script writes that runs in the one helper container.

        It is given the arguments, or, where it runs already, reads a line of them from its input;
        its answer ends with the end mark.
        """

    def execute(self, container: str, command: Sequence[str]) -> bytes:
        """Return what a command writes that runs in a container."""


class NoProcessError(ObservationError):
    """A container without a process that is found here."""


def reason_of(error: Exception) -> ObservationError:
    """Return what a source raised, of whatever class, as the reason why it could not see.

    Raises what is to end the run.
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

    addresses are those of the process's namespace, at_host whether that is the host's; None where
    not known.
    """
    if target.place == "host":
        return at_host is False
    return bool(target.addresses and addresses is not None and not target.addresses & addresses)


def ambiguous(namespaces: int) -> ObservationError:
    """Return the error of a container with several namespaces that all look like its own."""
    return ObservationError(
        f"it has processes in {namespaces} network namespaces with its address, and which is its "
        "own is unknown"
    )


def apart() -> ObservationError:
    """Return the error of a container in a user namespace, and perhaps a network, of its making."""
    return ObservationError(
        "it runs in a user namespace of its own and the engine lists no address for it: whether it "
        "is still in the network that the engine made is unknown; root on the engine's host sees it"
    )


class OutsideItsNetnsError(ObservationError):
    """A container without a process in its own network: seen, so that no other source is asked."""


def outside_its_netns(target: Target) -> OutsideItsNetnsError:
    """Return the error of a container whose processes have all left its network namespace."""
    host = ", that of the host" if target.place == "host" else ""
    where = f", that of {', '.join(sorted(target.addresses))}" if target.addresses else host
    changed = ", or changed its address" if target.addresses else ""
    return OutsideItsNetnsError(
        f"none of its processes is in its network namespace{where}: they have left it{changed}"
    )


def retry_with_current_addresses(target: Target, look: Callable[[Target], T]) -> T:
    """Return what look returns; where the target has left, look with the addresses it has now.

    It may have been started again, or connected to another network, since it was listed.
    """
    try:
        return look(target)
    except OutsideItsNetnsError:
        if (now := target.now()) == target:
            raise
        return look(now)


def with_shared(
    answers: Mapping[str, SocketSnapshot | ObservationError],
) -> dict[str, SocketSnapshot | ObservationError]:
    """Return answers in which the readings of namespaces that occur twice are shared ones."""
    seen = Counter(x.namespace for x in answers.values() if isinstance(x, SocketSnapshot))
    return {
        key: replace(x, shared=True)
        if isinstance(x, SocketSnapshot) and seen[x.namespace] > 1
        else x
        for key, x in answers.items()
    }
