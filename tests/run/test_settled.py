"""When a started container has settled, seen from within: what a look is of."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from pytest_exposed.audit.running import settled
from pytest_exposed.model import Container
from pytest_exposed.observation.watch import Watch

if TYPE_CHECKING:
    import pytest
    from stage import Stage

    from pytest_exposed import Engine


def test_a_look_during_which_it_was_restarted(
    engine: Engine, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says nothing of the life after: that one is looked at twice."""
    running = stage.run("tcp:0.0.0.0:80", exposes=("80",))
    observer = engine.observer
    observe, looks = observer.observe, count(1)

    def slowly(*arguments: Any, **options: Any) -> Any:
        found = observe(*arguments, **options)
        if next(looks) == 1:
            running.restart()
        return found

    monkeypatch.setattr(observer, "observe", slowly)
    # Each look is long enough after the one before.
    monkeypatch.setattr(settled, "monotonic", count(0.0, 3.0).__next__)
    _, answer = settled.wait_until_settled(
        observer, running.id, "app", 60, show=lambda _: None, watch=Watch(observer)
    )
    assert isinstance(answer, Container)
    assert next(looks) == 4
