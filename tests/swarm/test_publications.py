"""Where publications of containers in a swarm's networks lead: to addresses in no list of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from docker.types import IPAMConfig, IPAMPool
from stage import Stage

from pytest_exposed import Engine

if TYPE_CHECKING:
    from docker.models.networks import Network
    from stage import Images
    from swarm.nodes import Machine
    from swarm.services import Services

    from pytest_exposed import Container

KEEPS = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 10) as connection:
    connection.settimeout(1)
    try:
        sys.exit(connection.recv(1) == b"")
    except TimeoutError:
        sys.exit(0)
    except ConnectionResetError:
        sys.exit(1)
"""
"""The engine's proxy takes any connection, and ends it where nothing is behind."""


@pytest.fixture(scope="module")
def engine(manager: Machine) -> Iterator[Engine]:
    with Engine(manager.url) as engine:
        yield engine


@pytest.fixture
def stage(manager_images: Images) -> Iterator[Stage]:
    with Stage(manager_images) as stage:
        yield stage


@pytest.fixture
def overlay(stage: Stage) -> Network:
    pool = IPAMConfig(pool_configs=[IPAMPool(subnet="10.231.0.0/24")])
    return stage.network(driver="overlay", attachable=True, ipam=pool)


def found(container: Container) -> set[str]:
    return {str(x) for x in container.findings}


def on(device: str) -> str:
    """Return a script that listens at a container's address on a device.

    The first network is on eth0, and docker_gwbridge on eth1, as the engine joins them.
    """
    return (
        f"set -- $(ip -4 -o address show dev {device}); exec /bin/listener tcp:${{4%/*}}:80 ready"
    )


@pytest.mark.parametrize("device", ["eth0", "eth1"])
def test_an_attachable_overlay_leads_to_docker_gwbridge(
    device: str, engine: Engine, manager: Machine, stage: Stage, overlay: Network
) -> None:
    container = stage.script(
        on(device), exposes=("80",), network=overlay.name, ports={"80/tcp": None}
    )
    container.wait_for("ready")
    seen = engine.container(container.name)
    port = str(container.host_port("80/tcp"))
    command = manager.enter(sys.executable, "-c", KEEPS, "127.0.0.1", port)
    answers = subprocess.run(command, check=False).returncode == 0
    assert answers is (device == "eth1")  # what the engine does
    assert found(seen) == (set() if answers else {"unreachable 80/tcp"})


@pytest.mark.parametrize("bound", ["ingress", "docker_gwbridge"])
def test_ingress_leads_to_the_address_in_its_network(
    bound: str, engine: Engine, services: Services
) -> None:
    """The kernel needs IPVS to connect to it; the network and its addresses are there without."""
    image = services.images.with_shell(["80"])
    # The mesh's network is eth0, docker_gwbridge eth1 (as the engine joins them).
    device = {"ingress": "eth0", "docker_gwbridge": "eth1"}[bound]
    script = (
        f"set -- $(ip -4 -o address show dev {device}); exec /bin/listener tcp:${{4%/*}}:80 ready"
    )
    service = services.run(f"bound-{bound}", script, image=image, publishes={18090: 80})
    (record,) = services.tasks(service, every=False)
    ingress = record["NetworkSettings"]["Networks"]["ingress"]["IPAddress"]
    seen = engine.container(str(record["Id"]))
    assert {x.address == ingress for x in seen.listeners} == {bound == "ingress"}
    assert found(seen) == (set() if bound == "ingress" else {"unreachable 80/tcp"})
    if bound != "ingress":
        assert f"which leads to {ingress}, and " in seen.findings[0].message
