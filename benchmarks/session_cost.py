"""A plugin of pytest for measured runs: writes the time of the session and its peak memory."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest

FILE = "EXPOSED_BENCHMARKS_SESSION"
"""The variable with the name of the file to write."""

_STARTED: pytest.StashKey[float] = pytest.StashKey()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the clock."""
    session.config.stash[_STARTED] = time.perf_counter()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Write the seconds, and the most bytes that the process had in memory (proc_pid_status(5))."""
    seconds = time.perf_counter() - config.stash[_STARTED]
    peak = re.search(r"VmHWM:\s+([0-9]+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    cost = {"session": seconds, "memory": int(peak[1]) * 1024 if peak else 0}
    Path(os.environ[FILE]).write_text(json.dumps(cost), encoding="ascii")
