"""The same question, what a container listens on, asked in the ways of others."""

from __future__ import annotations

import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import testinfra
from demo.packages import which

from benchmarks.fleet import PORT
from benchmarks.measure import timed

if TYPE_CHECKING:
    from stage import Staged

_CONTAINERS_OF_A_SCAN = 2


def ways(fleet: list[Staged]) -> Iterator[tuple[str, str | None, Callable[[], float]]]:
    """Yield each way, what keeps it from being tried here, and what returns seconds a container."""
    no_docker = None if which("docker") else "there is no docker command here"
    no_ss = None if which("nsenter") and which("ss") else "there is no nsenter or no ss here"
    each: dict[str, tuple[str | None, Callable[[Staged], object]]] = {
        "testinfra `host.socket(…).is_listening`, asked once": (no_docker, _Testinfra()),
        "testinfra, asked once more": (no_docker, _testinfra),
        "`exec` of `cat /proc/net/tcp*`, as testcontainers does": (None, _exec),
        "a sidecar container in each one's network": (None, _sidecar),
        "inspect and `nsenter … ss -ltn`, as root": (no_ss, _nsenter),
    }
    for name, (obstacle, ask) in each.items():
        yield name, obstacle, lambda ask=ask: timed(lambda: [ask(x) for x in fleet]) / len(fleet)
    some = fleet[:_CONTAINERS_OF_A_SCAN]
    yield (
        "connecting to all 65,535 TCP ports from outside",
        None,
        lambda: timed(lambda: [_scan(x) for x in some]) / len(some),
    )


class _Testinfra:
    """Asks as one who has not asked before: what testinfra knows, it knows by the host's name."""

    def __init__(self) -> None:
        self._asked: Counter[str] = Counter()

    def __call__(self, one: Staged) -> None:
        self._asked[one.id] += 1
        _testinfra(one, one.id[: 12 + self._asked[one.id]])


def _testinfra(one: Staged, name: str | None = None) -> None:
    host = testinfra.get_host(f"docker://{name or one.name}")
    assert host.socket(f"tcp://0.0.0.0:{PORT}").is_listening


def _exec(one: Staged) -> None:
    said = one.sdk.exec_run(["cat", "/proc/net/tcp", "/proc/net/tcp6"])
    assert b"local_address" in said.output


def _sidecar(one: Staged) -> None:
    said = one.sdk.client.containers.run(
        one.image,
        ["cat", "/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6"],
        entrypoint=[],
        network_mode=f"container:{one.id}",
        labels=one.sdk.labels,
        remove=True,
    )
    assert b"local_address" in said


def _nsenter(one: Staged) -> None:
    one.sdk.reload()
    command = ["nsenter", "--net", "--target", str(one.sdk.attrs["State"]["Pid"])]
    said = subprocess.run(
        [*command, "ss", "-ltunH"], stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    assert f":{PORT} " in said.stdout.decode()


def _scan(one: Staged) -> None:
    one.sdk.reload()
    (network,) = one.sdk.attrs["NetworkSettings"]["Networks"].values()
    found = set()
    for port in range(1, 65536):
        with socket.socket() as probe:
            probe.settimeout(5)
            if probe.connect_ex((network["IPAddress"], port)) == 0:
                found.add(port)
    assert found == {PORT}
