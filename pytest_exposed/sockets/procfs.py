"""Sockets as /proc/<pid>/net/* shows them: world-readable, for any user of the engine's kernel.

It can't tell an IPv6-only socket from a dual-stack one, nor who made a socket.
"""

from __future__ import annotations

from collections.abc import Iterable

from pytest_exposed.errors import ObservationError
from pytest_exposed.sockets.process import ContainerProcess, local_ports, namespace_of
from pytest_exposed.sockets.reading import Sockets
from pytest_exposed.sockets.table import READINGS, lines_of, parse_table, steady


def sockets(process: ContainerProcess) -> Sockets:
    """Return the listening sockets of the process's network namespace, and its local port range.

    The range is None but in the caller's own namespace.

    Raises ObservationError where a table can't be read or is none.
    """
    found = []
    for name in ("tcp", "tcp6", "udp", "udp6"):
        try:
            found += parse_table(_lines(process, name), name)
        except FileNotFoundError:
            if not name.endswith("6"):  # a kernel without IPv6 has no tables for it
                raise ObservationError(f"the process has no net/{name}") from None
        except OSError as error:
            raise ObservationError(f"net/{name} can't be read: {error.strerror}") from None
    here = process.namespace == namespace_of("/proc/thread-self")
    return found, local_ports() if here else None


def _lines(process: ContainerProcess, name: str) -> Iterable[bytes]:
    readings = (lines_of(process.chunks(f"net/{name}"), name) for _ in range(READINGS))
    return next(readings) if name.startswith("tcp") else steady(readings, name)
