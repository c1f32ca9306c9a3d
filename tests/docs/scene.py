"""The containers that the pages of the documentation speak of."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import sample
from typing import TYPE_CHECKING, Any

from demo.images import build_image, busybox, remove_images
from stage import as_built, wait_until
from workload import listener

if TYPE_CHECKING:
    import docker

LABEL = "pytest-exposed.docs"
TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"


@dataclass(frozen=True)
class Service:
    """A container and its image, which runs the tests' listener under another name."""

    name: str
    image: str
    listens: Sequence[str] = ()
    """Words of the listener."""
    exposes: Sequence[str] = ()
    publishes: Mapping[str, int] = field(default_factory=dict)
    """Ports of the container, and those of the host as the page writes them: four or five digits,
    privileged where they are."""
    process: str = "app"
    address: str = "127.0.0.1"
    """The host's, for what is published."""
    labels: Mapping[str, str] = field(default_factory=dict)
    network: str = "bridge"
    has_shell: bool = False
    """Whether the image has sh and cat."""


@dataclass
class Scene:
    """What the containers of a page came to."""

    ports: dict[str, str]
    """What stands for the ports of the host that were free: theirs to those that are written."""

    def as_written(self, text: str) -> str:
        """Return an output as the page writes it."""
        for real, written in self.ports.items():
            text = text.replace(f":{real}", f":{written}")
        return text

    def as_run(self, text: str) -> str:
        """Return what a page writes with the ports that are the host's now."""
        for real, written in self.ports.items():
            text = text.replace(f":{written}:", f":{real}:")
        return text


@contextmanager
def shop(client: docker.DockerClient, environment: Mapping[str, str]) -> Iterator[Scene]:
    """Start the containers of the shop as the tutorial does, and remove them as it does."""
    text = TUTORIAL.read_text(encoding="utf-8")
    start, stop = (
        x for x in re.findall(r"^```sh\n(docker .*?)^```$", text, re.MULTILINE | re.DOTALL)
    )
    found = Scene({})
    build_busybox(client)
    try:
        _run(with_free_ports(start, found), environment)
        for name, port in (("web", 80), ("api", 8000), ("api", 9100), ("db", 5432)):
            pid = client.containers.get(name).attrs["State"]["Pid"]
            wait_until(lambda pid=pid, port=port: listens(pid, port), f"{name} listens on {port}")
        yield found
    finally:
        _run(stop, environment)
        remove_images(client, "busybox")


def build_busybox(client: docker.DockerClient) -> None:
    """Build what a registry has as busybox, as far as the pages use it."""
    links = {f"/bin/{x}": "busybox" for x in ("sh", "cat", "httpd")}
    build_image(client, "busybox", files={"/bin/busybox": busybox()}, links=links)


def with_free_ports(commands: str, found: Scene) -> str:
    """Return commands with free ports of the host for those that they publish."""

    def replaced(match: re.Match[str]) -> str:
        free = _free_port(int(match[1]))
        found.ports[str(free)] = match[1]
        return f"127.0.0.1:{free}:"

    return re.sub(r"127\.0\.0\.1:(\d+):", replaced, commands)


def listens(pid: int, port: int) -> bool:
    """Return whether somebody listens on a TCP port in the network of a process."""
    tables = (Path(f"/proc/{pid}/net/{x}").read_text(encoding="ascii") for x in ("tcp", "tcp6"))
    return any(f":{port:04X} " in x for x in tables)


def _run(commands: str, environment: Mapping[str, str]) -> None:
    # Without buildx, which not every docker command has.
    env = {**environment, "DOCKER_BUILDKIT": "0"}
    bash = ["bash", "-ec", commands]
    folder = TUTORIAL.parents[1]
    ran = subprocess.run(
        bash, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr


@contextmanager
def scene(client: docker.DockerClient, services: Sequence[Service]) -> Iterator[Scene]:
    """Start the containers, and remove them and their images in the end."""
    found = Scene({})
    try:
        for service in services:
            _build(client, service)
            _start(client, service, found)
        yield found
    finally:
        for container in client.api.containers(all=True, filters={"label": LABEL}):
            client.api.remove_container(container["Id"], v=True, force=True)
        remove_images(client, *{x.image for x in services})


def _build(client: docker.DockerClient, service: Service) -> None:
    files = {f"/bin/{service.process}": listener()}
    links = {}
    if service.has_shell:
        files["/bin/busybox"] = busybox()
        links = {f"/bin/{x}": "busybox" for x in ("sh", "cat")}
    image = as_built(
        service.image,
        {},
        files=files,
        links=links,
        entrypoint=[f"/bin/{service.process}"],
        exposes=service.exposes,
    )
    client.images.load(image)


def _start(client: docker.DockerClient, service: Service, found: Scene) -> None:
    ports: dict[str, Any] = {}
    for port, written in service.publishes.items():
        free = _free_port(written)
        found.ports[str(free)] = str(written)
        ports[port] = (service.address, free)
    container = client.containers.create(
        service.image,
        [*service.listens, "ready"],
        name=service.name,
        hostname=service.name,
        ports=ports,
        network_mode=service.network,
        labels={LABEL: "", **service.labels},
    )
    container.start()
    wait_until(lambda: b"ready" in container.logs(), f"{service.name} is ready")


def _free_port(like: int) -> int:
    """Return a free port of the host with as many digits, privileged where that is: as tables do.

    Raises RuntimeError where none is free.
    """
    span = range(1001, 1024) if like < 1024 else range(20000, 30000)
    for port in sample(span, len(span)):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError(f"no port from {span[0]} to {span[-1]} is free")
