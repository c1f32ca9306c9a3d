"""A plugin of pytest for measured runs: tells the processor time of each part of the command."""

from __future__ import annotations

import atexit
import json
import os
import time
from collections.abc import Generator
from pathlib import Path

import pytest

FILE = "EXPOSED_BENCHMARKS_MARKS"
"""The variable with the name of the file that it tells this."""

PARTS = ("python, pytest and its plugins", "start of the session", "tests", "end")

_marks: list[float] = []


def _mark() -> None:
    _marks.append(time.process_time())


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionstart() -> Generator[None, object, object]:
    """Mark its begin and its end: an audit's modules are imported, and its engine is asked."""
    _mark()
    result = yield
    _mark()
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop() -> Generator[None, object, object]:
    """Mark its end: an audit has looked at the containers."""
    result = yield
    _mark()
    return result


@atexit.register
def _write() -> None:
    if FILE in os.environ:  # not where the benchmarks themselves end
        _mark()
        Path(os.environ[FILE]).write_text(json.dumps(_marks), encoding="ascii")
