"""Sockets as /proc/<pid>/net/* shows them: world-readable, for any user of the engine's kernel.

It can't tell an IPv6-only socket from a dual-stack one, nor who made a socket.
"""

from __future__ import annotations

from pytest_exposed.errors import ObservationError
from pytest_exposed.sockets.process import ContainerProcess, local_port_range, namespace_of
from pytest_exposed.sockets.table import Socket, lines_of, parse_table


def sockets(process: ContainerProcess) -> tuple[list[Socket], tuple[int, int] | None]:
    """Return the listening sockets of the process's network namespace, and its local port range.

    The range is None but in the caller's own namespace.

    Raises ObservationError where a table can't be read or is none.
    """
    found = []
    for name in ("tcp", "tcp6", "udp", "udp6"):
        try:
            found += parse_table(lines_of(process.chunks(f"net/{name}"), name), name)
        except FileNotFoundError:
            if not name.endswith("6"):  # a kernel without IPv6 has no tables for it
                raise ObservationError(f"the process has no net/{name}") from None
        except OSError as error:
            raise ObservationError(f"net/{name} can't be read: {error.strerror}") from None
    here = process.namespace == namespace_of("/proc/thread-self")
    return found, local_port_range() if here else None
