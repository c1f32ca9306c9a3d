"""An engine whose default runtime is none of the host's kernel, such as gVisor's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from engines import started
from newer.daemons import NewerEngine, docker_engine
from remote.common import helper_of
from stage import Stage

from pytest_exposed import Engine


@pytest.fixture(scope="module")
def other() -> Iterator[NewerEngine]:
    """Docker 28 whose default runtime runs nothing."""
    with started(docker_engine("--add-runtime=other=/bin/false", "--default-runtime=other")) as it:
        yield it


def test_a_helper_asks_for_runc(other: NewerEngine) -> None:
    image = helper_of(other.images)
    with Stage(other.images) as stage:
        web = stage.run("tcp:0.0.0.0:80", exposes=("80",), runtime="runc")
        with Engine(other.url, source="helper", helper_image=image) as engine:
            assert engine.container(web.name).listening == {"80/tcp"}
