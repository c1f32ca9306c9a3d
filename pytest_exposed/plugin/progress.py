"""Lines in the terminal: while something takes its time, and when all is over."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest


def tell(lines: Iterable[str]) -> None:
    """Print lines where all else has been said: when the connections to engines are closed."""
    for line in lines:
        sys.stderr.write(f"pytest-exposed: {line}\n")


@contextmanager
def meanwhile(config: pytest.Config, text: str) -> Iterator[None]:
    """Show a line until the block ends; nothing where no person looks at the terminal."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if (
        not isinstance(reporter, pytest.TerminalReporter)
        or not reporter.isatty
        or config.getoption("verbose", 0) < 0
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
