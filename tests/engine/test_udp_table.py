"""The kernel's table of UDP sockets while others come and go, in a network namespace of its own.

In the host's, looks of other tests at it would be refused meanwhile.
"""

from __future__ import annotations

import ctypes
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from pytest_exposed.sockets.netlink import CLONE_NEWNET
from pytest_exposed.sockets.table import TableError, lines_of
from pytest_exposed.sockets.tables.tcp_udp import READINGS, parse_table, steady
from pytest_exposed.unpatched import in_kernel_thread

CHURN = """
import socket

def bound():
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("", 0))
    return made

print("ready", flush=True)
while True:
    for one in [bound() for _ in range(50)]:
        one.close()
"""


@contextmanager
def churn() -> Iterator[None]:
    """Let another process bind and close sockets, as fast as it can."""
    command = [sys.executable, "-c", CHURN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield
        finally:
            process.kill()


def chunks() -> Iterator[bytes]:
    """Read the table as it is read of containers."""
    with open("/proc/thread-self/net/udp", "rb", buffering=0) as file:
        while chunk := file.read(65536):
            yield chunk


def ports() -> set[int]:
    """Return the ports of the table."""
    lines = steady((lines_of(chunks(), "udp") for _ in range(READINGS)), "udp")
    return {x.port for x in parse_table(lines, "udp")}


@contextmanager
def there() -> Iterator[set[int]]:
    """Sockets that are there all the time, by their ports: more than a page of the table has."""
    with ExitStack() as stack:
        made = [
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            for _ in range(100)
        ]
        for one in made:
            one.bind(("", 0))
        yield {x.getsockname()[1] for x in made}


def in_a_namespace(work: Callable[[], None]) -> None:
    """Do something in a thread, and processes of it, in a new network namespace."""

    def inside() -> None:
        assert ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0
        work()

    in_kernel_thread(inside)


def test_has_all_of_them_or_is_refused() -> None:
    """A single reading lacks some in most of these rounds."""

    def work() -> None:
        whole = 0
        with there() as expected, churn():
            for _ in range(300):
                with suppress(TableError):
                    assert expected <= ports()
                    whole += 1
        assert whole > 0

    in_a_namespace(work)


def test_is_had_where_nothing_changes() -> None:
    def work() -> None:
        with there() as expected:
            assert ports() == expected

    in_a_namespace(work)
