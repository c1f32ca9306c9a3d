"""Sockets by the kernel's own word: sock_diag(7), asked inside the container's network namespace.

Entering needs Linux, the engine's kernel and CAP_SYS_ADMIN (setns(2)), CAP_SYS_PTRACE for processes
of root. In one's own namespace, that of containers with --network host, nothing is needed.
"""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import field
from functools import cache
from typing import TYPE_CHECKING

from pytest_exposed.errors import ObservationError, StrandedError
from pytest_exposed.sockets.process import (
    ContainerProcess,
    identity_of,
    local_ports,
    namespace_of,
)
from pytest_exposed.sockets.reading import Sockets, SocketSnapshots, Target
from pytest_exposed.sockets.sock_diag import NETLINK_SOCK_DIAG, dumps
from pytest_exposed.sockets.source import Shared
from pytest_exposed.unpatched import in_kernel_thread, socket_class, system
from pytest_exposed.values import dataclass

if TYPE_CHECKING:
    from pytest_exposed.sockets.kept import Kept

CLONE_NEWNET = 0x40000000  # linux/sched.h
_HERE = "/proc/thread-self/ns/net"  # of the calling thread; /proc/self is the first thread's

_SECONDS = 10.0

_Inside = tuple[socket.socket, "Collection[int] | None"]
"""A sock_diag socket of a namespace, and the namespace's range of ports for clients."""


name = "netlink"
needs = "Linux, the engine's kernel and pid namespace, root"


def observe(targets: Sequence[Target], shared: Shared) -> SocketSnapshots:
    """Return the sockets of each target, or why its namespace can't be entered."""
    with reader(shared.kept) as opened:
        return shared.observe_here(targets, name, opened.sockets, opened.ahead)


def reader(kept: Kept | None = None) -> closing[Reader]:
    """Return a context manager: a reader of network namespaces' sockets and local port ranges."""
    return closing(Reader(namespace_of("/proc/thread-self"), kept))


@dataclass(slots=True)
class Reader:
    """Reads the sockets of network namespaces from inside each.

    setns moves a thread for good: whatever that thread does next happens in the other namespace.
    So a thread of its own goes from namespace to namespace, opens a socket in each, and ends. It
    visits many at a time: to wait for a thread takes longer than its work.
    """

    _here: tuple[int, int] | None
    """The namespace of the thread that reads: another thread of the process may be elsewhere."""
    _kept: Kept | None = None
    """What takes the namespaces that were read."""
    _opened: dict[tuple[int, int], _Inside | ObservationError] = field(default_factory=dict)

    def ahead(self, processes: Iterable[ContainerProcess]) -> None:
        """Open a socket in the namespace of each process: they are read next."""
        self.close()
        away = [x for x in processes if x.namespace != self._here]
        opened = self._open(away) if away else ()
        self._opened = dict(zip((x.namespace for x in away), opened, strict=True))

    def sockets(self, process: ContainerProcess) -> Sockets:
        """Return the listening sockets of a process's namespace, and its local port range.

        Raises ObservationError if it can't be entered or the kernel's answer is malformed.
        """
        opened: _Inside | ObservationError
        if process.namespace == self._here:
            opened = _open_here()
        elif process.namespace in self._opened:
            opened = self._opened.pop(process.namespace)
        else:
            (opened,) = self._open([process])
        if isinstance(opened, ObservationError):
            raise opened
        link, ports = opened
        with ExitStack() as undo:
            undo.callback(link.close)
            link.settimeout(_SECONDS)
            found = dumps(link)
            if self._kept is not None:
                undo.pop_all()
                self._kept.take(process, link, found)
        return found, ports

    def _open(self, processes: Sequence[ContainerProcess]) -> list[_Inside | ObservationError]:
        with staying_here():
            return in_kernel_thread(lambda: [_open_inside(x) for x in processes])

    def close(self) -> None:
        """Close what was opened and not read."""
        for opened in self._opened.values():
            if not isinstance(opened, ObservationError):
                opened[0].close()
        self._opened.clear()


@contextmanager
def staying_here() -> Iterator[None]:
    """Raise ObservationError if the calling thread is in another network namespace afterwards.

    It is brought back first: all that the process does next would happen there.
    """
    before = identity_of(_HERE)
    home = system.open(_HERE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        moved = identity_of(_HERE) != before
        back = not moved or _libc().setns(home, CLONE_NEWNET) == 0
        system.close(home)
        if not back:
            raise StrandedError(
                "this process is in a container's network namespace and can't be brought back: "
                "something has replaced Python's threads; run it again with --exposed-source=procfs"
            )
        if moved:
            raise ObservationError(
                "something has replaced Python's threads, and this thread entered a container's "
                "network namespace; it is back where it was"
            )


def _open_here() -> _Inside | ObservationError:
    """Return a sock_diag socket of the calling thread's namespace, and its local port range."""
    try:
        link = socket_class()(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG
        )
    except OSError as error:
        return ObservationError(f"sock_diag can't be asked: {error.strerror}")
    return link, local_ports()


@cache
def _libc() -> ctypes.CDLL:
    """Return the C library: os.setns came with Python 3.12."""
    return ctypes.CDLL(None, use_errno=True)


def _open_inside(process: ContainerProcess) -> _Inside | ObservationError:
    """Let the calling thread enter a process's namespace for good; return the same, or why not."""
    try:
        namespace = process.open("ns/net")
    except OSError as error:
        return ObservationError(
            f"its network namespace can't be opened: {error.strerror} (that needs root: "
            "CAP_SYS_PTRACE and CAP_SYS_ADMIN)"
        )
    try:
        if _libc().setns(namespace, CLONE_NEWNET) != 0:
            reason = os.strerror(ctypes.get_errno())
            return ObservationError(
                f"its network namespace can't be entered: {reason} (that needs CAP_SYS_ADMIN)"
            )
        return _open_here()
    finally:
        system.close(namespace)
