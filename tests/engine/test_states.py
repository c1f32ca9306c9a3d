"""Containers that don't simply run: paused, restarting, ended, removed, not ready yet."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from stage import wait_until

from pytest_exposed import (
    Engine,
    GoneError,
    NotFoundError,
    NotRunningError,
    container_listens_on,
    container_matches_image,
)

if TYPE_CHECKING:
    from stage import Stage, Staged


def crash_loop(stage: Stage, *words: str) -> Staged:
    """Return a container that ends again and again, and rests at the moment."""
    container = stage.create(*words, "ready", "exit:3", restart_policy={"Name": "always"})
    container.sdk.start()

    def rests() -> bool:
        # The engine doubles its pause with each restart: after five it is over 3 seconds.
        return container.state() == "restarting" and container.sdk.attrs["RestartCount"] >= 5

    wait_until(rests, f"{container.name} has crashed five times")
    return container


def test_paused(looks: list[Engine], stage: Stage) -> None:
    container = stage.run("tcp:0.0.0.0:80", "tcp:0.0.0.0:81", exposes=("80",))
    container.sdk.pause()
    for look in looks:
        seen = look.container(container.name)
        assert seen.state == "paused"
        assert seen.notes == ("it is paused: it answers nothing before `docker unpause`",)
        assert [str(x) for x in seen.findings] == ["undocumented 81/tcp"]
        assert seen.listeners[0].process == "listener"


def test_unhealthy(looks: list[Engine], stage: Stage) -> None:
    second = 10**9
    check = {"test": ["CMD", "/none"], "interval": second, "retries": 1}
    container = stage.run("tcp:0.0.0.0:80", exposes=("80",), healthcheck=check)

    def is_unhealthy() -> bool:
        container.state()
        return container.sdk.attrs["State"]["Health"]["Status"] == "unhealthy"

    wait_until(is_unhealthy, "its check has failed")
    for look in looks:
        seen = look.container(container.name)
        assert seen.notes == ("its health check fails: it is unhealthy",)
        assert not seen.findings


def test_restarting(looks: list[Engine], stage: Stage) -> None:
    container = crash_loop(stage, "tcp:0.0.0.0:80")
    for look in looks:
        with pytest.raises(NotRunningError) as caught:
            look.container(container.name)
        first, *log = str(caught.value).splitlines()
        said = f"{container.name} is restarting: it exited with code 3, [5-9] times so far"
        assert re.match(said, first)
        assert set(log) == {"  ready"}
        assert 5 <= len(log) <= 10  # of more than ten, the last ones


def test_exited(looks: list[Engine], stage: Stage) -> None:
    container = stage.create("tcp:1.2.3.4:80")
    container.sdk.start()
    wait_until(lambda: container.state() == "exited", "its end")
    for look in looks:
        with pytest.raises(NotRunningError) as caught:
            look.container(container.name)
        assert str(caught.value).splitlines() == [
            f"{container.name} has exited with code 3; the last lines of its log:",
            "  listener: tcp:1.2.3.4:80: Cannot assign requested address",
        ]


def test_created(looks: list[Engine], stage: Stage) -> None:
    container = stage.create("tcp:0.0.0.0:80")
    for look in looks:
        with pytest.raises(NotRunningError, match=r"was created and never started$"):
            look.container(container.name)


def test_removed(looks: list[Engine], stage: Stage) -> None:
    container = stage.run()
    container.sdk.remove(force=True)
    for look in looks:
        with pytest.raises(NotFoundError, match=f"no container '{container.name}'"):
            look.container(container.name)


class TestBetweenListAndLook:
    def test_removed(self, looks: list[Engine], stage: Stage) -> None:
        container = stage.run("tcp:0.0.0.0:80")
        before = [x.observer.find(container.name) for x in looks]
        container.sdk.remove(force=True)
        for look, (listed, everyone) in zip(looks, before, strict=True):
            answer = look.observer.observe([listed], everyone)[container.id]
            assert isinstance(answer, GoneError)
            assert str(answer) == f"{container.name} is gone since the run began"

    def test_ended(self, looks: list[Engine], stage: Stage) -> None:
        container = stage.run("tcp:0.0.0.0:80")
        before = [x.observer.find(container.name) for x in looks]
        container.sdk.kill()
        wait_until(lambda: container.state() == "exited", "its end")
        for look, (listed, everyone) in zip(looks, before, strict=True):
            answer = look.observer.observe([listed], everyone)[container.id]
            assert isinstance(answer, NotRunningError)
            assert f"{container.name} has exited with code 137" in str(answer)

    def test_restarted(self, looks: list[Engine], stage: Stage) -> None:
        container = stage.run("tcp:0.0.0.0:80", exposes=("80",))
        before = [x.observer.find(container.name) for x in looks]
        container.restart()
        for look, (listed, everyone) in zip(looks, before, strict=True):
            answer = look.observer.observe([listed], everyone)[container.id]
            assert not isinstance(answer, Exception)
            assert answer.listening == {"80/tcp"}

    def test_restarted_with_another_address(self, looks: list[Engine], stage: Stage) -> None:
        network = stage.network()
        container = stage.run("tcp:0.0.0.0:80", exposes=("80",), network=network.name)
        before = [x.observer.find(container.name) for x in looks]
        container.sdk.stop()
        # The first free address is given: that which it had.
        stage.run(name="other", network=network.name)
        container.sdk.start()
        wait_until(lambda: container.sdk.logs().count(b"ready") == 2, "it is ready again")
        now = looks[0].observer.find(container.name)[0].addresses
        assert now not in [x.addresses for x, _ in before]
        for look, (listed, everyone) in zip(looks, before, strict=True):
            answer = look.observer.observe([listed], everyone)[container.id]
            assert not isinstance(answer, Exception)
            assert answer.listening == {"80/tcp"}

    def test_connected_to_another_network(self, looks: list[Engine], stage: Stage) -> None:
        network, other = stage.network(), stage.network()
        container = stage.run("tcp:0.0.0.0:80", exposes=("80",), network=network.name)
        before = [x.observer.find(container.name) for x in looks]
        network.disconnect(container.sdk)
        other.connect(container.sdk)
        for look, (listed, everyone) in zip(looks, before, strict=True):
            answer = look.observer.observe([listed], everyone)[container.id]
            assert not isinstance(answer, Exception)
            assert answer.listening == {"80/tcp"}

    def test_the_others_are_seen_all_the_same(self, looks: list[Engine], stage: Stage) -> None:
        going = stage.run("tcp:0.0.0.0:80", name="going")
        staying = stage.run("tcp:0.0.0.0:80", name="staying")
        before = [x.observer.running() for x in looks]
        going.sdk.remove(force=True)
        for look, everyone in zip(looks, before, strict=True):
            wanted = [x for x in everyone if x.id in (going.id, staying.id)]
            answers = look.observer.observe(wanted, everyone)
            assert isinstance(answers[going.id], GoneError)
            seen = answers[staying.id]
            assert not isinstance(seen, Exception)
            assert seen.listening == {"80/tcp"}


def starts_late(stage: Stage, seconds: float = 2, **options: Any) -> Staged:
    """Return a container whose documented listener opens seconds after its start."""
    container = stage.create(f"delay:{seconds}", "tcp:0.0.0.0:80", exposes=("80",), **options)
    container.sdk.start()
    return container


def test_a_late_listener_is_silent_without_grace(looks: list[Engine], stage: Stage) -> None:
    container = starts_late(stage)
    for look in looks:
        check = container_matches_image(look, container.name)
        assert not check
        assert "silent 80/tcp" in repr(check)


def test_a_late_listener_matches_with_grace(look: Engine, stage: Stage) -> None:
    assert container_matches_image(look, starts_late(stage).name, grace=15)


def test_within_waits_for_a_late_listener(engine: Engine, stage: Stage) -> None:
    container = starts_late(stage)
    assert not container_listens_on(engine, container.name, 80)
    assert container_listens_on(engine, container.name, 80, within=15)


def test_the_wait_ends_with_the_grace(engine: Engine, stage: Stage) -> None:
    container = stage.create("delay:60", exposes=("80",))
    began = time.monotonic()  # an engine that is slow to answer has begun before it does
    container.sdk.start()
    assert not container_matches_image(engine, container.name, grace=1)
    assert 0.5 < time.monotonic() - began < 30


def test_a_container_older_than_the_grace_is_not_waited_for(engine: Engine, stage: Stage) -> None:
    container = starts_late(stage, 4.5)
    wait_until(
        lambda: engine.observer.find(container.name)[0].up_for >= 3, "it is three seconds old"
    )
    assert not container_matches_image(engine, container.name, grace=3)


def test_whose_health_is_not_known_yet_is_waited_for_at_any_age(
    engine: Engine, stage: Stage
) -> None:
    hour = 3600 * 10**9
    container = starts_late(stage, 1.5, healthcheck={"Test": ["CMD", "/none"], "Interval": hour})
    wait_until(lambda: engine.observer.find(container.name)[0].up_for >= 1, "it is a second old")
    assert container_matches_image(engine, container.name, grace=1)
