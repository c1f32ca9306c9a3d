"""The newer engines are what they are said to be, and an audit of each finds what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from stage import Stage

from pytest_exposed import Engine

if TYPE_CHECKING:
    from newer.daemons import NewerEngine

ENGINES = ["docker_28", "docker_containerd", "podman_5"]


@pytest.fixture(params=ENGINES)
def newer(request: pytest.FixtureRequest) -> NewerEngine:
    found: NewerEngine = request.getfixturevalue(request.param)
    return found


def test_each_is_the_version_of_its_name(
    docker_28: NewerEngine, docker_containerd: NewerEngine, podman_5: NewerEngine
) -> None:
    assert docker_28.client.version()["Version"].startswith("28.")
    assert "io.containerd.snapshotter" not in str(docker_28.client.info()["DriverStatus"])
    assert "io.containerd.snapshotter" in str(docker_containerd.client.info()["DriverStatus"])
    assert podman_5.client.version()["Version"].startswith("5.")


@pytest.mark.parametrize("source", ["netlink", "procfs", "auto"])
def test_each_is_audited(newer: NewerEngine, source: str) -> None:
    with Stage(newer.images) as stage, Engine(newer.url, source=source) as engine:
        web = stage.run("tcp:0.0.0.0:80", "tcp:0.0.0.0:90", name="web", exposes=["80", "443"])
        found = [str(x) for x in engine.container(web.name).findings]
        assert found == ["undocumented 90/tcp", "silent 443/tcp"]


@pytest.mark.parametrize("name", ["docker_28", "podman_5"])
def test_commands_run_on_its_machine(name: str, request: pytest.FixtureRequest) -> None:
    newer: NewerEngine = request.getfixturevalue(name)
    program = name.partition("_")[0]
    with Stage(newer.images) as stage:
        web = stage.run("tcp:0.0.0.0:80", name="web", ports={"80/tcp": ("127.0.0.1", None)})
        assert web.name in newer.command(program, "ps")
        port = web.host_port("80/tcp")
        assert f"127.0.0.1:{port}" in newer.command("ss", "-tln")
