"""Engines of an ordinary user, without systemd: on cgroup v1 no cgroup names their containers."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from remote.common import helper_of, listener_with_cat
from stage import Stage

from pytest_exposed import Engine, ObservationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newer.daemons import NewerEngine
    from stage import Staged

FINDINGS = ["published-silent 4443/tcp", "undocumented 9090/tcp"]

LISTENS = ("tcp:0.0.0.0:8080", "tcp:0.0.0.0:9090")


@pytest.fixture(params=["docker_rootless", "podman_rootless"], scope="module")
def rootless(request: pytest.FixtureRequest) -> NewerEngine:
    found: NewerEngine = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def web(rootless: NewerEngine) -> Iterator[Staged]:
    """A container with two listeners: one of its two published ports, and an undocumented one."""
    with Stage(rootless.images) as stage:
        image = listener_with_cat(rootless.images, exposes=("8080", "4443"))
        ports = dict.fromkeys(("8080/tcp", "4443/tcp"), ("127.0.0.1", None))
        yield stage.run(*LISTENS, name="web", image=image, ports=ports)


def test_it_is_rootless(rootless: NewerEngine) -> None:
    assert "name=rootless" in rootless.client.info()["SecurityOptions"]


def test_what_it_publishes_is_on_the_network_of_the_user(
    rootless: NewerEngine, web: Staged
) -> None:
    sockets = rootless.command("ss", "-Htln")
    assert f"127.0.0.1:{web.host_port('8080/tcp')}" in sockets


def test_exec_sees_a_container(rootless: NewerEngine, web: Staged) -> None:
    with Engine(rootless.url, source="exec") as engine:
        assert [str(x) for x in engine.container(web.name).findings] == FINDINGS


@pytest.mark.parametrize("source", ["netlink", "procfs"])
def test_a_container_is_found_by_its_monitor(
    rootless: NewerEngine, web: Staged, source: str
) -> None:
    """No cgroup names it."""
    with Engine(rootless.url, source=source) as engine:
        assert [str(x) for x in engine.container(web.name).findings] == FINDINGS


def test_the_helper_is_right_or_an_error(rootless: NewerEngine, web: Staged) -> None:
    with (
        Engine(rootless.url, source="helper", helper_image=helper_of(rootless.images)) as engine,
        suppress(ObservationError),
    ):
        assert [str(x) for x in engine.container(web.name).findings] == FINDINGS


def test_auto_ends_with_a_source_that_sees_it(rootless: NewerEngine, web: Staged) -> None:
    with Engine(rootless.url) as engine:
        assert [str(x) for x in engine.container(web.name).findings] == FINDINGS
