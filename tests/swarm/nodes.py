"""Machines for a swarm: engines in network namespaces of their own, joined by a cable.

A swarm takes fixed ports of its machine (2377, 7946, 4789): another one's are never in its way.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo import engine as base
from demo.packages import PATH, install, which

CABLE = "cable"
"""Name of the interface of each of two machines that are joined."""


@dataclass(frozen=True)
class Machine:
    """A machine of its own to the network, with an engine."""

    folder: Path
    address: str
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """The engine's address, from everywhere on the real machine."""
        return f"unix://{self.folder}/docker.sock"

    @property
    def tcp_url(self) -> str:
        """The engine's address from inside its network, and its neighbour's."""
        return f"tcp://{self.address}:2375"

    def enter(self, *command: str) -> list[str]:
        """Return a command that runs another inside of its network."""
        return _inside(self.folder.name, *command)


@contextmanager
def machines(count: int) -> Iterator[list[Machine]]:
    """Start one machine, or two with a cable between them, and remove them in the end.

    Raises demo.engine.EngineMissing or demo.packages.NotInstalled where that can't be.
    """
    base._install_engine()
    if which("ip") is None:
        install("iproute2")
    with ExitStack() as undo:
        folders = [base._make_directory() for _ in range(count)]
        for folder in folders:
            undo.callback(base._remove_directory, folder)
            _do("ip", "netns", "add", folder.name)
            undo.callback(_do, "ip", "netns", "del", folder.name)
            _do(*_inside(folder.name, "ip", "link", "set", "lo", "up"))
        addresses = [f"192.0.2.{x}" for x in range(1, count + 1)]  # RFC 5737: for documentation
        if count == 2:
            ends = [("netns", x.name) for x in folders]
            cable = ["type", "veth", "peer", "name", CABLE]
            _do("ip", "link", "add", CABLE, *ends[0], *cable, *ends[1])
        for folder, address in zip(folders, addresses, strict=True):
            device = CABLE if count == 2 else "lo"
            _do(*_inside(folder.name, "ip", "address", "add", f"{address}/24", "dev", device))
            _do(*_inside(folder.name, "ip", "link", "set", device, "up"))
        found = []
        for folder, address in zip(folders, addresses, strict=True):
            machine = Machine(folder, address, _start(folder, address))
            undo.callback(base._stop, machine.process, folder)
            found.append(machine)
        for machine in found:
            log = machine.folder / "dockerd.log"
            base._wait_until_it_answers(machine.process, machine.url, log)
            undo.callback(base._empty, machine.url)
        yield found


def _inside(namespace: str, *command: str) -> list[str]:
    # `ip netns exec` would put another /sys in the place of the one with the cgroups.
    return ["nsenter", f"--net=/run/netns/{namespace}", *command]


def _do(*command: str) -> None:
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True, env={**os.environ, "PATH": PATH})


def _start(folder: Path, address: str) -> subprocess.Popen[bytes]:
    (folder / "daemon.json").write_text("{}", encoding="ascii")
    command = [
        *("setpriv", "--pdeathsig", "TERM"),
        "dockerd",
        f"--config-file={folder / 'daemon.json'}",
        f"--data-root={folder / 'data'}",
        f"--exec-root={folder / 'exec'}",
        f"--pidfile={folder / 'docker.pid'}",
        f"--host=unix://{folder}/docker.sock",
        f"--host=tcp://{address}:2375",
        "--tls=false",  # said, or it waits for people to read a warning
        *("--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"),
    ]
    with (folder / "dockerd.log").open("wb") as log:
        return subprocess.Popen(
            _inside(folder.name, *command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": PATH},
            start_new_session=True,
        )
