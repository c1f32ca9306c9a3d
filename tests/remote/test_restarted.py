"""A young container that is restarted while it is looked at: looked at again until it runs."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_exposed import Container, Engine, NotRunningError
from pytest_exposed.observation.grace import settle

if TYPE_CHECKING:
    from stage import Stage

    from pytest_exposed.engine.records import Listed


@pytest.mark.parametrize("source", ["auto", "helper"])
def test_it_is_looked_at_again_until_it_runs(
    source: str,
    engine_url: str,
    helper_image: str,
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    container = stage.run("tcp:0.0.0.0:80", exposes=("80",))
    with Engine(engine_url, source=source, helper_image=helper_image) as engine:
        observer = engine.observer
        listed, everyone = observer.find(container.name)
        container.sdk.stop(timeout=0)
        answer = observer.observe([listed], everyone)[listed.id]
        assert isinstance(answer, NotRunningError)
        running = observer.running
        lists: list[list[Listed]] = []

        def running_until_it_starts() -> list[Listed]:
            lists.append(running())
            if len(lists) == 2:
                container.sdk.start()
            return lists[-1]

        monkeypatch.setattr(observer, "running", running_until_it_starts)
        settled = settle(observer, listed, answer, 30)
    assert len(lists) >= 2
    assert isinstance(settled.answer, Container), settled
    assert settled.answer.listening == {"80/tcp"}


def test_an_old_one_is_young_again(engine_url: str, stage: Stage) -> None:
    container = stage.run("tcp:0.0.0.0:80", exposes=("80",))
    with Engine(engine_url) as engine:
        listed, everyone = engine.observer.find(container.name)
        listed = replace(listed, status="Up 2 hours")
        container.sdk.stop(timeout=0)
        answer = engine.observer.observe([listed], everyone)[listed.id]
        assert isinstance(answer, NotRunningError)
        container.sdk.start()
        settled = settle(engine.observer, listed, answer, 30)
    assert isinstance(settled.answer, Container), settled


def test_one_that_ended_for_good_is_not_waited_for_to_the_end(
    engine_url: str, stage: Stage
) -> None:
    container = stage.run("tcp:0.0.0.0:80", exposes=("80",))
    with Engine(engine_url) as engine:
        listed, everyone = engine.observer.find(container.name)
        container.sdk.stop(timeout=0)
        answer = engine.observer.observe([listed], everyone)[listed.id]
        began = time.monotonic()
        settled = settle(engine.observer, listed, answer, 300)
    assert time.monotonic() - began < 60
    assert isinstance(settled.answer, NotRunningError)
