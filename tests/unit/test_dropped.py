"""Whether a caller does something with what it gets: by its bytecode, which differs by version."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from pytest_exposed.plugin.fixtures import _is_dropped

seen: list[bool] = []


def ask(*_: object, **__: object) -> bool:
    seen.append(_is_dropped(sys._getframe(1)))
    return True


class Asks:
    ask = staticmethod(ask)

    def __call__(self, *_: object, **__: object) -> bool:
        seen.append(_is_dropped(sys._getframe(1)))
        return True


def alone() -> None:
    ask()
    ask(1, *[2], three=3)
    Asks.ask("web", within=1)
    Asks()("web", 80)
    partial(ask, 1)()
    for _ in range(1):
        ask()
    with pytest.MonkeyPatch.context():
        ask()


def used() -> Any:
    found = ask()
    assert ask()
    assert not ask() or found
    found = str(ask())
    assert any([ask(), ask()])
    assert all(map(ask, [1]))
    if ask(1, two=2):
        found = ask() and [ask()]
    yield ask()
    return ask()


@pytest.mark.parametrize(("act", "dropped"), [(alone, True), (lambda: list(used()), False)])
def test_what_is_dropped(act: Callable[[], object], dropped: bool) -> None:
    seen.clear()
    act()
    assert len(seen) > 5
    assert set(seen) == {dropped}
