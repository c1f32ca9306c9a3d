"""How pytest shows the failures of a suite's checks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_exposed.assertions.result import Check
from pytest_exposed.errors import ExposedError
from pytest_exposed.model import Container

if TYPE_CHECKING:
    import pytest

T = TypeVar("T")

_OWN = os.path.dirname(os.path.dirname(__file__)) + os.sep
"""The folder of this package's files."""


def shorten(error: pytest.ExceptionInfo[BaseException]) -> None:
    """Leave out what says nothing to a suite's reader: our frames, and a sentence said twice."""
    _leave_out_own_frames(error)
    _say_once(error)


def _leave_out_own_frames(error: pytest.ExceptionInfo[BaseException]) -> None:
    """Cut the traceback of an ExposedError where the test calls into this package."""
    if not issubclass(type(error.value), ExposedError):
        return
    kept: list[TracebackType] = []
    entry: TracebackType | None = error.tb
    while entry is not None and not entry.tb_frame.f_code.co_filename.startswith(_OWN):
        kept.append(entry)
        entry = entry.tb_next
    shown: TracebackType | None = None
    for x in reversed(kept):
        shown = TracebackType(shown, x.tb_frame, x.tb_lasti, x.tb_lineno)
    if shown is not None:
        error.traceback = type(error.traceback)(shown)


def _say_once(error: pytest.ExceptionInfo[BaseException]) -> None:
    """Make a failed assertion of a check its sentence, which pytest would write twice."""
    # Not a subclass, nor any other text: a suite's own code would run, and may fail.
    if type(error.value) is not AssertionError or [type(x) for x in error.value.args] != [str]:
        return
    text: str = error.value.args[0]
    for check in _held(error, Check):
        assertion = f"assert {check!r}" if not check else f"assert not {check!r}"
        before, found, rest = text.partition(assertion)
        is_all = rest == "" or rest.startswith(f"\n +  where {check!r} = ")
        if found and is_all and before in ("", before.rstrip("\n") + "\n"):
            sentence = f"{check}, and should not" if check else str(check)
            error.value.args = (before + sentence,)
            return


def of_snapshots(
    error: pytest.ExceptionInfo[BaseException] | None, shown: Iterable[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Return title and table of ports of each snapshot of a failed test that isn't shown yet."""
    fixtures = sys.modules.get("pytest_exposed.plugin.fixtures")
    if error is None or fixtures is None:
        return []
    titles = {title for title, _ in shown}
    found = _held(error, Container)
    new = {x.id: x for x in found if fixtures.title_of(x) not in titles}
    tables: list[tuple[str, str]] = fixtures.tables(new, {})
    return tables


def _held(error: pytest.ExceptionInfo[BaseException], kind: type[T]) -> list[T]:
    """Return the values of a kind where others' code failed; pytest keeps an assertion's there."""
    entry: TracebackType | None = error.tb
    found: list[Any] = []
    while entry is not None:
        if not entry.tb_frame.f_code.co_filename.startswith(_OWN):
            found = list(entry.tb_frame.f_locals.values())
        entry = entry.tb_next
    # By its type alone: what stands for another object may load it to tell its class, or fail.
    return [x for x in found if type(x) is kind]
