"""Newer engines than the machine's, each started once by the first test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from engines import started
from newer.daemons import NewerEngine, docker_engine, podman_engine
from newer.rootless import rootless_docker_engine, rootless_podman_engine
from stage import Stage


@pytest.fixture(scope="session")
def docker_28() -> Iterator[NewerEngine]:
    """Docker 28 as it is by default."""
    with started(docker_engine()) as found:
        yield found


@pytest.fixture(scope="session")
def docker_containerd() -> Iterator[NewerEngine]:
    """Docker 28 with containerd's image store, the default of docker 29."""
    with started(docker_engine("--feature=containerd-snapshotter=true")) as found:
        yield found


@pytest.fixture(scope="session")
def podman_5() -> Iterator[NewerEngine]:
    """Podman 5's service, as root."""
    with started(podman_engine()) as found:
        yield found


@pytest.fixture(scope="session")
def docker_rootless() -> Iterator[NewerEngine]:
    """Docker 28 of an ordinary user."""
    with started(rootless_docker_engine()) as found:
        yield found


@pytest.fixture(scope="session")
def podman_rootless() -> Iterator[NewerEngine]:
    """Podman 5's service of an ordinary user."""
    with started(rootless_podman_engine()) as found:
        yield found


@pytest.fixture(scope="session")
def podman_rootless_cgroups() -> Iterator[NewerEngine]:
    """Podman 5's service of an ordinary user, whose containers have cgroups."""
    with started(rootless_podman_engine(cgroups=True)) as found:
        yield found


@pytest.fixture
def stage_28(docker_28: NewerEngine) -> Iterator[Stage]:
    """Containers and networks of one test on docker 28."""
    with Stage(docker_28.images) as stage:
        yield stage


@pytest.fixture
def stage_containerd(docker_containerd: NewerEngine) -> Iterator[Stage]:
    """Containers and networks of one test on docker 28 with containerd's image store."""
    with Stage(docker_containerd.images) as stage:
        yield stage
