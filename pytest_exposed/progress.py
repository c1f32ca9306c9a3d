"""A line in the terminal while something takes its time, gone when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def meanwhile(config: pytest.Config, text: str) -> Iterator[None]:
    """Show a line until the block ends; nothing where no person looks at the terminal."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if (
        not isinstance(reporter, pytest.TerminalReporter)
        or not reporter.isatty
        or config.get_verbosity() < 0
    ):
        yield
        return
    reporter.ensure_newline()
    reporter.rewrite(text, erase=True)
    reporter.flush()
    try:
        yield
    finally:
        reporter.rewrite("", erase=True)
        reporter.write("\r", flush=True)
