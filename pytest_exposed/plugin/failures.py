"""How pytest shows the failures of a suite's checks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from inspect import CO_OPTIMIZED
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
    for _, check in _held(error, Check):
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
    """Return title and table of ports of each snapshot of a failed test that isn't shown yet.

    The title of one that differs from what is shown of its container, as after a change, has the
    name of the snapshot.
    """
    fixtures = sys.modules.get("pytest_exposed.plugin.fixtures")
    if error is None or fixtures is None:
        return []
    texts: dict[str, list[str]] = {}
    for title, text in shown:
        texts.setdefault(title, []).append(text)
    found = []
    for name, container in _held(error, Container):
        with suppress(Exception):  # a suite may have made or changed one in any way
            ((title, text),) = fixtures.tables({container.id: container}, {})
            there = texts.setdefault(title, [])
            table = "\n".join(fixtures.table(container))
            if not any(table in x for x in there):
                found.append((f"{title}, in {name}" if there else title, text))
                there.append(table)
    return found


def _held(error: pytest.ExceptionInfo[BaseException], kind: type[T]) -> list[tuple[str, T]]:
    """Return name and value of each of a kind in others' functions that the error went through.

    pytest keeps the values of an assertion there.
    """
    entry: TracebackType | None = error.tb
    found: dict[int, tuple[str, Any]] = {}
    while entry is not None:
        code = entry.tb_frame.f_code
        # Those of a module or a class are any mapping.
        if code.co_flags & CO_OPTIMIZED and not code.co_filename.startswith(_OWN):
            for name, value in entry.tb_frame.f_locals.items():
                # By its type alone: what stands for another object may load it, or fail.
                if type(value) is kind:
                    own = "the assertion" if name.startswith("@") else name
                    found.setdefault(id(value), (own, value))
        entry = entry.tb_next
    return list(found.values())
