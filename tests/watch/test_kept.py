"""What a watch keeps open: what has not changed is not read again, and what has is."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from stage import wait_until

from pytest_exposed.observation.watch import Watch
from pytest_exposed.sockets.kept import Kept

if TYPE_CHECKING:
    from stage import Stage, Staged

    from pytest_exposed import Engine


@pytest.fixture
def kept() -> Iterator[Kept]:
    with closing(Kept()) as kept:
        yield kept


@pytest.fixture
def look(netlink: Engine, kept: Kept) -> Callable[[Staged], None]:
    """Read a container's sockets."""

    def look(container: Staged) -> None:
        everyone = netlink.observer.running()
        wanted = [x for x in everyone if x.id == container.id]
        netlink.observer.observe(wanted, everyone, rules=(), kept=kept)

    return look


def begin(stage: Stage, **options: object) -> Staged:
    """Start a container that listens on 80, and on 9000 as long as it has the file /tmp/open."""
    script = (
        "mkdir -p /tmp; listener tcp:0.0.0.0:80 ready & while true; do "
        "while ! test -e /tmp/open; do sleep 0.05; done; listener tcp:0.0.0.0:9000 & P=$!; "
        "while test -e /tmp/open; do sleep 0.05; done; kill $P; done"
    )
    container = stage.script(script, exposes=("80",), **options)
    container.wait_for("ready")
    return container


def opens(container: Staged) -> None:
    container.sdk.exec_run(["/bin/sh", "-c", "echo >/tmp/open"])


def test_what_does_not_change(stage: Stage, look: Callable[[Staged], None], kept: Kept) -> None:
    container, joined = begin(stage), begin(stage, name="other")
    for x in (container, joined):
        look(x)
    for _ in range(3):
        assert kept.unchanged([container.id, joined.id]) == {container.id, joined.id}
    assert not kept.unchanged(["0" * 64])


@pytest.mark.parametrize("network", ["bridge", "none", "host"])
def test_a_listener_that_opens(
    stage: Stage, look: Callable[[Staged], None], kept: Kept, network: str
) -> None:
    container = stage.script(
        "mkdir -p /tmp; echo ready; while ! test -e /tmp/open; do sleep 0.05; done; "
        "listener udp:127.0.0.1:9017",
        network_mode=network,
    )
    container.wait_for("ready")
    look(container)
    assert network == "host" or kept.unchanged([container.id])
    opens(container)
    wait_until(lambda: not kept.unchanged([container.id]), "it opens a port")


def test_a_listener_that_closes(
    stage: Stage, look: Callable[[Staged], None], kept: Kept, netlink: Engine
) -> None:
    container = begin(stage)
    opens(container)
    wait_until(lambda: 9000 in netlink.container(container.name).listening, "it opens a port")
    look(container)
    assert kept.unchanged([container.id])
    container.sdk.exec_run(["/bin/sh", "-c", "busybox rm /tmp/open"])
    wait_until(lambda: not kept.unchanged([container.id]), "it closes a port")


def test_a_neighbour_that_opens_one(
    stage: Stage, look: Callable[[Staged], None], kept: Kept
) -> None:
    container = begin(stage)
    look(container)
    stage.run("tcp:0.0.0.0:81", name="other", network_mode=f"container:{container.id}")
    assert not kept.unchanged([container.id])


@pytest.mark.parametrize("how", ["restart", "kill", "remove"])
def test_an_idle_container_that_ends(
    stage: Stage, look: Callable[[Staged], None], kept: Kept, how: str
) -> None:
    """The table of its namespace was empty, and still is."""
    container = stage.run()
    look(container)
    assert kept.unchanged([container.id])
    if how == "restart":
        container.sdk.restart(timeout=0)
    elif how == "kill":
        container.sdk.kill()
    else:
        container.sdk.remove(force=True)
    assert not kept.unchanged([container.id])


def test_the_engine_is_asked_once(
    stage: Stage, netlink: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = begin(stage)
    asked = []
    running = netlink.observer.running
    monkeypatch.setattr(netlink.observer, "running", lambda: asked.append(1) or running())
    before = os.listdir("/proc/self/fd")
    looks = [*Watch(netlink.observer).looks([netlink.container(container.name)], 3)]
    assert len(looks) > 6
    assert len(asked) < 3  # one of them is the test's own
    assert all(x[container.id].listening == {80} for x in looks)
    assert len(os.listdir("/proc/self/fd")) <= len(before)


def test_few_files_may_be_open(
    stage: Stage, netlink: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is kept, and everything is seen."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1, 1))
    container = begin(stage)
    watch = Watch(netlink.observer)
    looks = watch.looks([netlink.container(container.name)], 20)
    next(looks)
    opens(container)
    assert any(9000 in x[container.id].listening for x in looks)
