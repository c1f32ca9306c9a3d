"""Ports on demand: a documented range at rest, in use, and of a server that is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_exposed import Engine
from pytest_exposed.rules.judge import brief

if TYPE_CHECKING:
    from stage import Stage


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["tcp:0.0.0.0:21"], ""),
        (["tcp:0.0.0.0:21", "tcp:0.0.0.0:7004"], "silent 7000-7003/tcp, 7005-7009/tcp"),
        ([], "silent 21/tcp, 7000-7009/tcp"),
    ],
)
def test_a_range(looks: list[Engine], stage: Stage, words: list[str], expected: str) -> None:
    container = stage.run(*words, exposes=("21", "7000-7009"))
    for look in looks:
        assert brief(look.container(container.name).findings) == expected
