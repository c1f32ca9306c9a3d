"""The kernel's table of UDP sockets while others come and go: this process's own, on loopback."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest
from stage import wait_until

from pytest_exposed.sockets.table import TableError, lines_of
from pytest_exposed.sockets.tables.tcp_udp import READINGS, parse_table, steady

CHURN = """
import socket

def bound():
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
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
    with open("/proc/self/net/udp", "rb", buffering=0) as file:
        while chunk := file.read(65536):
            yield chunk


def ports() -> set[int]:
    """Return the ports of the table."""
    lines = steady((lines_of(chunks(), "udp") for _ in range(READINGS)), "udp")
    return {x.port for x in parse_table(lines, "udp")}


@pytest.fixture
def there() -> Iterator[set[int]]:
    """The ports of sockets that are there all the time: more than a page of the table has."""
    with ExitStack() as stack:
        made = [
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            for _ in range(100)
        ]
        for one in made:
            one.bind(("127.0.0.1", 0))
        yield {x.getsockname()[1] for x in made}


def test_has_all_of_them_or_is_refused(there: set[int]) -> None:
    """A single reading lacks some in most of these rounds."""
    whole = 0
    with churn():
        for _ in range(300):
            with suppress(TableError):
                assert there <= ports()
                whole += 1
    assert whole > 0


def test_is_had_where_nothing_changes(there: set[int]) -> None:
    def had() -> bool:
        try:
            return there <= ports()
        except TableError:  # something else on this machine opens sockets
            return False

    wait_until(had, "the table is had")
