"""Machines for a swarm: engines in network namespaces of their own, joined by a cable.

A swarm takes fixed ports of its machine (2377, 7946, 4789): another one's are never in its way.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from demo.directory import make_directory, remove_directory
from demo.packages import PATH, install, which
from demo.throwaway import Dockerd, empty, install_engine

CABLE = "cable"
"""Name of the interface of each of two machines that are joined."""


@dataclass(frozen=True)
class Machine:
    """A machine of its own to the network, with an engine."""

    engine: Dockerd
    address: str

    @property
    def url(self) -> str:
        """The engine's address, from everywhere on the real machine."""
        return self.engine.url

    @property
    def tcp_url(self) -> str:
        """The engine's address from inside its network, and its neighbour's."""
        return f"tcp://{self.address}:2375"

    def enter(self, *command: str) -> list[str]:
        """Return a command that runs another inside of its network."""
        return _inside(self.engine.directory.name, *command)


@contextmanager
def machines(count: int) -> Iterator[list[Machine]]:
    """Start one machine, or two with a cable between them, and remove them in the end.

    Raises demo.throwaway.EngineMissing or demo.packages.NotInstalled where that can't be.
    """
    install_engine()
    if which("ip") is None:
        install("iproute2")
    with ExitStack() as undo:
        folders = [make_directory() for _ in range(count)]
        for folder in folders:
            undo.callback(remove_directory, folder)
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
            options = (f"--host=tcp://{address}:2375", "--tls=false")  # or it warns, and waits
            engine = Dockerd(folder, *options, inside=tuple(_inside(folder.name)))
            engine.start()
            undo.callback(engine.stop)
            found.append(Machine(engine, address))
        for machine in found:
            machine.engine.wait_until_it_answers()
            undo.callback(empty, machine.url)
        yield found


def _inside(namespace: str, *command: str) -> list[str]:
    # `ip netns exec` would put another /sys in the place of the one with the cgroups.
    return ["nsenter", f"--net=/run/netns/{namespace}", *command]


def _do(*command: str) -> None:
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True, env={**os.environ, "PATH": PATH})
