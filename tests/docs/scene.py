"""The containers that the pages of the documentation speak of."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import sample
from typing import TYPE_CHECKING, Any

from demo.images import build_image, busybox, remove_images
from stage import wait_until
from workload import listener

if TYPE_CHECKING:
    import docker

LABEL = "pytest-exposed.docs"


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
    build_image(
        client,
        service.image,
        files=files,
        links=links,
        instructions=[
            *(f"EXPOSE {x}" for x in service.exposes),
            f'ENTRYPOINT ["/bin/{service.process}"]',
        ],
    )


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
