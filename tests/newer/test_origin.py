"""Where an image came from: what was built here is one's own, whatever store it is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from stage import Stage

from pytest_exposed import Engine

if TYPE_CHECKING:
    from newer.daemons import NewerEngine


@pytest.mark.parametrize("name", ["docker_28", "docker_containerd", "podman_5"])
def test_an_image_that_was_built_here(name: str, request: pytest.FixtureRequest) -> None:
    newer: NewerEngine = request.getfixturevalue(name)
    with Stage(newer.images) as stage, Engine(newer.url) as engine:
        web = stage.run("tcp:0.0.0.0:80", name="web", exposes=["80", "81"])
        (finding,) = engine.container(web.name).findings
        assert str(finding) == "silent 81/tcp"
        assert finding.fix == "start its service, or remove EXPOSE 81/tcp from its Dockerfile"
        assert finding.fails
