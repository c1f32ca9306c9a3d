"""Sockets as /proc/<pid>/net/* shows them: world-readable, for any user of the engine's kernel.

These files don't say whether an IPv6 socket is dual-stack, nor who made a socket.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_exposed.errors import ObservationError
from pytest_exposed.sockets.process import ContainerProcess, local_ports, namespace_of
from pytest_exposed.sockets.reading import Sockets, SocketSnapshots, Target
from pytest_exposed.sockets.source import Shared
from pytest_exposed.sockets.table import lines_of
from pytest_exposed.sockets.tables.tcp_udp import READINGS, parse_table, steady

name = "procfs"
needs = "Linux, the engine's kernel and pid namespace; any user"


def observe(targets: Sequence[Target], shared: Shared) -> SocketSnapshots:
    """Return the sockets of each target, or why they can't be read."""
    return shared.observe_here(targets, name, sockets)


def sockets(process: ContainerProcess) -> Sockets:
    """Return the listening sockets of the process's network namespace, and its local port range.

    The range is None in all namespaces but the caller's.

    Raises ObservationError if a table can't be read or is malformed.
    """
    found = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        try:
            found += parse_table(_lines(process, table), table)
        except FileNotFoundError:
            if not table.endswith("6"):  # a kernel without IPv6 has no tables for it
                raise ObservationError(f"the process has no net/{table}") from None
        except OSError as error:
            raise ObservationError(f"net/{table} can't be read: {error.strerror}") from None
    here = process.namespace == namespace_of("/proc/thread-self")
    return found, local_ports() if here else None


def _lines(process: ContainerProcess, table: str) -> Iterable[bytes]:
    readings = (lines_of(process.chunks(f"net/{table}"), table) for _ in range(READINGS))
    return next(readings) if table.startswith("tcp") else steady(readings, table)
