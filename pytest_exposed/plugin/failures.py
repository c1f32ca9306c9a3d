"""How pytest shows the failures of a suite's checks."""

from __future__ import annotations

import os
from types import TracebackType
from typing import TYPE_CHECKING

from pytest_exposed.assertions.result import Check
from pytest_exposed.errors import ExposedError

if TYPE_CHECKING:
    import pytest

_OWN = os.path.dirname(os.path.dirname(__file__)) + os.sep
"""The folder of this package's files."""


def leave_out_own_frames(error: pytest.ExceptionInfo[BaseException]) -> None:
    """Cut the traceback of an ExposedError where the test calls into this package."""
    if not isinstance(error.value, ExposedError):
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


def say_once(error: pytest.ExceptionInfo[BaseException]) -> None:
    """Make a failed assertion of a check its sentence, which pytest would write twice."""
    last: TracebackType | None = error.tb
    if last is None or not isinstance(error.value, AssertionError):
        return
    while last.tb_next is not None:
        last = last.tb_next
    text = str(error.value)
    # What pytest rewrites keeps the values of an assertion in the frame.
    for check in list(last.tb_frame.f_locals.values()):
        if not isinstance(check, Check):
            continue
        assertion = f"assert {check!r}" if not check else f"assert not {check!r}"
        before, found, rest = text.partition(assertion)
        is_all = rest == "" or rest.startswith(f"\n +  where {check!r} = ")
        if found and is_all and before in ("", before.rstrip("\n") + "\n"):
            sentence = f"{check}, and should not" if check else str(check)
            error.value.args = (before + sentence,)
            return
