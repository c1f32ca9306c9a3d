"""Fixes for what `docker compose` runs: its file's line does what the fix says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_exposed import Engine

if TYPE_CHECKING:
    from newer.daemons import NewerEngine

FILE = """
name: shop
services:
  web:
    image: {image}
    command: ["tcp:0.0.0.0:80", "tcp:0.0.0.0:8081", "udp:0.0.0.0:8082"]
    stop_grace_period: 0s
"""

Up = Callable[[str], None]


@pytest.fixture
def up(docker_28: NewerEngine) -> Iterator[Up]:
    """Bring the service up, with more lines of its own."""
    file = docker_28.machine.folder / "compose.yaml"
    image = docker_28.images.build(exposes=["80"])
    compose = ("docker", "compose", "--file", str(file))

    def up(lines: str) -> None:
        file.write_text(FILE.format(image=image) + lines, encoding="utf-8")
        docker_28.command(*compose, "up", "--detach", "--pull=never")

    yield up
    docker_28.command(*compose, "down", "--timeout=0")


def test_the_line_that_a_fix_names_declares_the_port(docker_28: NewerEngine, up: Up) -> None:
    up("")
    with Engine(docker_28.url) as engine:
        web = engine.container("web")
        assert [x.fix for x in web.findings] == [
            f'add to its Dockerfile: EXPOSE {port}; or add "{port}" to `expose` of service web '
            "in compose.yaml, and set `exposed_documented = run` in pytest.ini"
            for port in ("8081/tcp", "8082/udp")
        ]
        up('    expose: ["8081/tcp", "8082/udp"]\n')
        web = engine.container("web")
        assert web.declared == {80, 8081, "8082/udp"}
        assert [x.fix for x in web.findings] == [
            f"add to its Dockerfile: EXPOSE {port}; or set `exposed_documented = run` in "
            "pytest.ini to count what service web in compose.yaml declares"
            for port in ("8081/tcp", "8082/udp")
        ]


def test_the_line_that_publishes_on_one_address(docker_28: NewerEngine, up: Up) -> None:
    up('    ports: ["8080:80/tcp"]\n')
    with Engine(docker_28.url, select="published-everywhere") as engine:
        (finding,) = engine.container("web").findings
        entry = '"ADDRESS:8080:80/tcp"'
        setting = f"{entry} in `ports` of service web in compose.yaml"
        assert finding.fix == f"publish it on one: {setting}"
        up(f"    ports: [{entry.replace('ADDRESS', '127.0.0.1')}]\n")
        (published,) = engine.container("web").published
        assert published.endpoint == "127.0.0.1:8080"
        assert not engine.container("web").findings
