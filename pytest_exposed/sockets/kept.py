"""Finds the containers with changed sockets, by netlink sockets that are kept open.

A whole observation asks the engine, finds processes and proves them. A watch needs this once: an
open sock_diag socket goes on to answer for its network namespace. It also keeps the namespace
alive, so that no other namespace gets its inode.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from typing import NamedTuple

from pytest_exposed.errors import ObservationError
from pytest_exposed.sockets.process import ContainerProcess, namespace_of
from pytest_exposed.sockets.sock_diag import dumps
from pytest_exposed.sockets.table import Socket

_SCTP = "net/sctp/eps"
_SCTP_LIMIT = 1 << 20
_MOST_FILES = 4096


class _Namespace(NamedTuple):
    link: socket.socket
    sockets: frozenset[Socket]
    sctp: bytes | None
    """The table of SCTP, which netlink doesn't have; None where the kernel has none."""


class _Place(NamedTuple):
    process: str
    """The folder of a container's process in /proc."""
    namespace: tuple[int, int]


class Kept:
    """The network namespaces of containers that netlink has read; to be closed."""

    def __init__(self) -> None:
        self._namespaces: dict[tuple[int, int], _Namespace] = {}
        self._places: dict[str, _Place] = {}
        self._most = _most_files() // 2

    def take(self, process: ContainerProcess, link: socket.socket, found: Iterable[Socket]) -> None:
        """Keep a sock_diag socket of a process's namespace, and the sockets that it answered."""
        self._forget(process.namespace)
        if len(self._namespaces) >= self._most:
            link.close()
            return
        sctp = _sctp(f"{process.proc}/{process.pid}")
        self._namespaces[process.namespace] = _Namespace(link, frozenset(found), sctp)

    def seen(self, container: str, process: ContainerProcess) -> None:
        """Note the process by which a container was seen, while that is proven."""
        self._places[container] = _Place(f"{process.proc}/{process.pid}", process.namespace)

    def unchanged(self, containers: Iterable[str]) -> set[str]:
        """Return the containers with the same sockets as when they were last read.

        Their processes still live, in the same network namespaces. The others must be read again.
        """
        places = {x: self._places[x] for x in containers if x in self._places}
        folders = {x.namespace: x.process for x in places.values()}
        has_sctp = os.path.exists(f"/proc/self/{_SCTP}")  # each namespace has it, or none
        same = {x for x, y in folders.items() if self._is_same(x, y if has_sctp else "")}
        # Checked after the dump: a namespace without processes has an empty table.
        found = {
            x
            for x, place in places.items()
            if place.namespace in same and namespace_of(place.process) == place.namespace
        }
        for identity in places.keys() - found:
            self._forget(self._places.pop(identity).namespace)
        return found

    def _is_same(self, namespace: tuple[int, int], process: str) -> bool:
        kept = self._namespaces.get(namespace)
        if kept is None or kept.sctp != (_sctp(process) if process else None):
            return False
        try:
            return frozenset(dumps(kept.link)) == kept.sockets
        except (ObservationError, OSError):  # the next reading says what is wrong
            return False

    def _forget(self, namespace: tuple[int, int]) -> None:
        kept = self._namespaces.pop(namespace, None)
        if kept is not None:
            kept.link.close()

    def close(self) -> None:
        for namespace in [*self._namespaces]:
            self._forget(namespace)
        self._places.clear()


def _sctp(process: str) -> bytes | None:
    """Return the table of SCTP endpoints of a process's network; None where there is none."""
    try:
        with open(f"{process}/{_SCTP}", "rb") as file:
            return file.read(_SCTP_LIMIT)
    except OSError:  # no SCTP, or no process
        return None


def _most_files() -> int:
    try:
        import resource  # noqa: PLC0415  # there is none on Windows, and no netlink
    except ImportError:
        return 0
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return limit if 0 <= limit < _MOST_FILES else _MOST_FILES
