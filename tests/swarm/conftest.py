"""A swarm of one node, and what runs on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from demo.throwaway import connect
from engines import started
from remote.conftest import _no_engine_but_the_tests, run_pytest
from stage import Images
from swarm.nodes import Machine, machines
from swarm.services import Services

if TYPE_CHECKING:
    import docker

__all__ = ["_no_engine_but_the_tests", "run_pytest"]


@pytest.fixture(scope="package")
def manager() -> Iterator[Machine]:
    """The manager of a swarm of one node."""
    with started(machines(1)) as (machine,), closing(connect(machine.url)) as client:
        client.swarm.init(advertise_addr=machine.address)
        yield machine
        client.swarm.leave(force=True)


@pytest.fixture(scope="package")
def manager_client(manager: Machine) -> Iterator[docker.DockerClient]:
    """The SDK's client of the manager."""
    with closing(connect(manager.url)) as client:
        yield client


@pytest.fixture(scope="package")
def manager_images(manager_client: docker.DockerClient) -> Images:
    """Images on the manager's engine, with which they end."""
    return Images(manager_client, "swarm")


@pytest.fixture
def services(manager_images: Images) -> Iterator[Services]:
    """Services of one test."""
    with Services(manager_images) as services:
        yield services


@pytest.fixture(scope="module")
def shared_services(manager_images: Images) -> Iterator[Services]:
    """Services that the tests of a module only look at."""
    with Services(manager_images) as services:
        yield services
