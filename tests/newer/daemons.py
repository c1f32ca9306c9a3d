"""Newer engines, each on a machine of its own."""

from __future__ import annotations

import secrets
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from demo.throwaway import connect, empty, wait_for_engine
from newer.machine import Machine, machine
from stage import Images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import docker

URL = "unix://{folder}/engine.sock"

STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{folder}/data"
runroot = "{folder}/exec"
"""

# The limits: podman's own are above those of a machine without CAP_SYS_RESOURCE.
CONTAINERS = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_config_dir = "{folder}/networks"
"""


@dataclass(frozen=True)
class NewerEngine:
    """An engine of a newer suite."""

    url: str
    """What DOCKER_HOST is for it, inside its machine and outside."""
    client: docker.DockerClient
    images: Images
    machine: Machine

    def command(self, *words: str, check: bool = True) -> str:
        """Run docker, podman, ip … on its machine; return the output.

        Raises AssertionError where it fails, unless check is False.
        """
        return self.machine.command(*words, check=check)


@contextmanager
def docker_engine(
    *options: str, prepare: Callable[[Path], Sequence[str]] = lambda _: ()
) -> Iterator[NewerEngine]:
    """Run docker 28 with these options of dockerd, and remove all that it made in the end.

    prepare may put files into its machine's folder, and returns more options.
    """
    with machine({"DOCKER_HOST": URL}) as host:
        options = (*options, *prepare(host.folder))
        places = [f"--data-root={host.folder / 'data'}", f"--exec-root={host.folder / 'exec'}"]
        places += [f"--pidfile={host.folder / 'pid'}", f"--host={host.environment['DOCKER_HOST']}"]
        with served(host, "dockerd", *places, *options) as found:
            yield found


@contextmanager
def podman_engine(*options: str) -> Iterator[NewerEngine]:
    """Run podman 5's service; `podman` inside meets the same containers."""
    environment = {
        "CONTAINERS_CONF": "{folder}/containers.conf",
        "CONTAINERS_STORAGE_CONF": "{folder}/storage.conf",
        "DOCKER_HOST": URL,
    }
    with machine(environment) as host:
        for name, text in (("storage", STORAGE), ("containers", CONTAINERS)):
            (host.folder / f"{name}.conf").write_text(text.format(folder=host.folder))
        service = ("podman", "system", "service", "--time=0", host.environment["DOCKER_HOST"])
        with served(host, *service, *options) as found:
            yield found


@contextmanager
def served(host: Machine, *words: str) -> Iterator[NewerEngine]:
    """Run an engine's command, which answers at the machine's DOCKER_HOST; empty it in the end."""
    url = host.environment["DOCKER_HOST"]
    with host.daemon(*words) as (process, log), ExitStack() as undo:
        wait_for_engine(url, process, log, repr(process.args))
        # Containers hold cgroups, which outlive their machine.
        undo.callback(empty, url)
        client = connect(url)
        undo.callback(client.close)
        yield NewerEngine(url, client, Images(client, f"t{secrets.token_hex(3)}"), host)
