"""The audit of a fleet: engines that answer from data, each late by its way.

    python benchmarks/engines.py [ENGINES [CONTAINERS]]

A server on loopback stands for the engines, 100 with 100 containers each by default. It answers as
an engine that is far away: sockets are what a helper container would write. What is measured is
pytest's process, from its start to its end. Prints a table in Markdown.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from multiprocessing import Process
from pathlib import Path

LATENCY = 0.05
"""Seconds that an engine's answers take: another continent."""
SLOW = 1.5
"""Those of a slow one."""
TIMEOUT = 5
"""DOCKER_CLIENT_TIMEOUT of all runs: what a silent engine is waited for."""

IMAGE = "sha256:" + "1a" * 32

_TCP = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode\n"
    "   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "
    "{inode} 1 0000000000000000 100 0 0 10 0\n"
)
_UDP = (
    "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode ref pointer drops\n"
)
_TRIE = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 172.17.0.2\n        /32 host LOCAL\n"

CONFTEST = """
import time

def pytest_runtest_logreport(report):
    if report.when == "call":
        with open("reports", "a") as file:
            file.write(f"{time.time()} {report.outcome} {report.nodeid}\\n")
"""


@dataclass
class Engine:
    """An engine that answers from data."""

    number: int
    containers: int
    latency: float | None
    """Seconds before each answer; None for never."""
    helpers: dict[str, list[str]] = field(default_factory=dict)
    streams: dict[str, asyncio.StreamWriter] = field(default_factory=dict)

    def ids(self) -> list[str]:
        return [sha256(f"{self.number}-{x}".encode()).hexdigest() for x in range(self.containers)]

    def listed(self) -> list[dict[str, object]]:
        """Return the answer of GET /containers/json."""
        return [
            {
                "Id": identity,
                "Names": [f"/web-{place}"],
                "Image": "web:1",
                "ImageID": IMAGE,
                "State": "running",
                "Status": "Up 3 hours",
                "Labels": {},
                "HostConfig": {"NetworkMode": "default"},
                "Ports": [{"PrivatePort": 80, "Type": "tcp"}],
                "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}}},
            }
            for place, identity in enumerate(self.ids())
        ]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._answer(reader, writer):
                pass
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"(?i)content-length: (\d+)", head)
        body = await reader.readexactly(int(length[1])) if length else b""
        method, target, _ = head.split(" ", 2)
        path, _, query = re.sub(r"^/v[0-9.]+", "", target).partition("?")
        if self.latency is None:
            await asyncio.sleep(3600)
        await asyncio.sleep(self.latency or 0)
        name = path.split("/")[2] if path.count("/") > 2 else ""
        if path.endswith("/attach"):
            head = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
            writer.write(head.encode())
            self.streams[name] = writer
            await writer.drain()
            await asyncio.sleep(3600)
        answer = self._found(method, path, query, body)
        if path.endswith("/start"):
            stream = self.streams.pop(name)
            for chunk in self._frames(self.helpers.pop(name)):
                stream.write(chunk)
            await stream.drain()
            stream.close()
        text = b"" if answer is None else json.dumps(answer).encode()
        status = "204 No Content" if answer is None else "200 OK"
        kind = "Content-Type: application/json\r\n"
        writer.write(f"HTTP/1.1 {status}\r\n{kind}Content-Length: {len(text)}\r\n\r\n".encode())
        writer.write(text)
        await writer.drain()
        return True

    def _found(self, method: str, path: str, query: str, body: bytes) -> object:
        if path == "/containers/create":
            arguments = json.loads(body)["Cmd"][2:]
            name = re.sub(r".*name=([^&]*).*", r"\1", query)
            self.helpers[name] = arguments
            return {"Id": sha256(name.encode()).hexdigest(), "Warnings": []}
        if path == "/containers/json":
            return [] if "helper" in query else self.listed()
        if method == "DELETE" or path.endswith("/start"):
            return None
        if path.startswith("/images/"):
            return {"Id": IMAGE, "RepoTags": ["web:1"], "Config": {"ExposedPorts": {"80/tcp": {}}}}
        return {
            "/version": {"ApiVersion": "1.41", "Version": "20.10", "Arch": "amd64"},
            "/info": {"Architecture": "x86_64", "DefaultRuntime": "runc"},
        }.get(path, {"StatusCode": 0})

    def _frames(self, ids: list[str]) -> Iterator[bytes]:
        """Yield what the helper writes, in frames of the engine's stream."""
        text = "".join(_shown(x, pid) for pid, x in enumerate(ids, start=2))
        data = f"{text}@host 1\n@done\n".encode()
        for start in range(0, len(data), 32768):
            chunk = data[start : start + 32768]
            yield b"\x01\0\0\0" + len(chunk).to_bytes(4, "big") + chunk


def _shown(identity: str, pid: int) -> str:
    cgroup = f"0::/docker/{identity}\n"
    tables = {"tcp": _TCP.format(inode=pid), "udp": _UDP, "fib_trie": _TRIE}
    return (
        f"@process {pid}\n@namespace {pid}\n@before\n{cgroup}"
        + "".join(f"@table {k}\n{v}" for k, v in tables.items())
        + f"@after\n{cgroup}@namespace {pid}\n@end\n"
    )


def serve(engines: list[Engine], sockets: list[socket.socket]) -> None:
    """Answer for all engines until the process is ended."""

    async def run() -> None:
        for engine, bound in zip(engines, sockets, strict=True):
            await asyncio.start_server(engine.serve, sock=bound, limit=1 << 24)
        await asyncio.sleep(3600)

    asyncio.run(run())


@contextmanager
def fleet(latencies: list[float | None], containers: int) -> Iterator[list[str]]:
    """Yield the addresses of engines with these latencies."""
    sockets = [socket.create_server(("127.0.0.1", 0), backlog=64) for _ in latencies]
    engines = [Engine(number, containers, x) for number, x in enumerate(latencies)]
    process = Process(target=serve, args=(engines, sockets))
    process.start()
    ports = [x.getsockname()[1] for x in sockets]
    for bound in sockets:
        bound.close()
    try:
        yield [f"tcp://127.0.0.1:{x}" for x in ports]
    finally:
        process.terminate()
        process.join()


def measure(latencies: list[float | None], containers: int, *options: str) -> str:
    """Run an audit of such a fleet, and return its line of the table."""
    quick = sum(x == LATENCY for x in latencies)
    with (
        fleet(latencies, containers) as hosts,
        tempfile.TemporaryDirectory(prefix="pe-fleet-") as folder,
    ):
        Path(folder, "conftest.py").write_text(CONFTEST)
        quick_ports = [x for x, y in zip(hosts, latencies, strict=True) if y == LATENCY]
        command = [sys.executable, "-m", "pytest", "--exposed", "-q", "-p", "no:cacheprovider"]
        # Every engine is at the same address, so that its label has the port.
        command += [x for host in hosts for x in ("--docker-host", host)]
        began = time.time()
        process = subprocess.Popen(
            [
                *command,
                "--exposed-helper-image=web:1",
                "--exposed-source=helper",
                *options,
                "--rootdir",
                folder,
            ],
            cwd=folder,
            env={**os.environ, "DOCKER_CLIENT_TIMEOUT": str(TIMEOUT), "NO_PROXY": "*"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        printed = process.stdout.read()
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
        whole = time.time() - began
        lines = [x.split(" ", 2) for x in Path(folder, "reports").read_text().splitlines()]
    names = [x.removeprefix("tcp://") for x in quick_ports]
    of_quick = [x for x in lines if len(hosts) == 1 or any(f"{y}]" in x[2] for y in names)]
    passed = sum(x[1] == "passed" for x in of_quick)
    assert passed == quick * containers, printed[-3000:]
    last = max(float(x[0]) for x in of_quick) - began
    cpu = used.ru_utime + used.ru_stime
    return f"{whole:.1f} s | {last:.1f} s | {cpu:.1f} s | {used.ru_maxrss / 1024:.0f} MB |"


def main(engines: int = 100, containers: int = 100) -> None:
    tenth = engines // 10
    some = engines - tenth
    print(f"{engines} engines, {containers} containers each; answers after {LATENCY * 1000:.0f} ms")
    print()
    print("| fleet | whole run | last test of the quick ones | CPU | memory, at most |")
    print("|---|---|---|---|---|")
    quick: list[float | None] = [LATENCY]
    for name, latencies in (
        ("one engine", quick),
        ("a tenth of them", quick * tenth),
        ("nine tenths", quick * some),
        (f"and a tenth after {SLOW} s", [*([SLOW] * tenth), *quick * some]),
        (f"and a tenth silent ({TIMEOUT} s)", [*([None] * tenth), *quick * some]),
        ("all", quick * engines),
    ):
        print(f"| {name} | {measure(latencies, containers)}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
