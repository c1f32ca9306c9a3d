"""Lines in the terminal: progress while something takes long, and what is said at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext

import pytest


def say(lines: Iterable[str]) -> None:
    """Print lines to standard error at the very end, after pytest's summary."""
    for line in lines:
        sys.stderr.write(f"pytest-exposed: {line}\n")


@contextmanager
def meanwhile(config: pytest.Config, text: str) -> Iterator[None]:
    """Show a line until the block ends, where a person looks at the terminal."""
    with live(config) as show:
        show(text.removeprefix("exposed: "))
        yield


@contextmanager
def live(config: pytest.Config) -> Iterator[Callable[[str], None]]:
    """Give a function that replaces the line shown, until the block ends.

    It shows nothing where no person looks at the terminal. Pytest captures what a test writes: each
    line is written without that.
    """
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if (
        not isinstance(reporter, pytest.TerminalReporter)
        or not reporter.isatty
        or config.getoption("verbose", 0) < 0
    ):
        yield lambda _: None
        return
    terminal, begun = reporter, False
    capture = config.pluginmanager.get_plugin("capturemanager")
    uncaptured = capture.global_and_fixture_disabled if capture else nullcontext

    def show(text: str) -> None:
        nonlocal begun
        with uncaptured():
            if not begun:
                terminal.ensure_newline()
            begun = True
            terminal.rewrite(f"exposed: {text}", erase=True)
            terminal.flush()

    try:
        yield show
    finally:
        if begun:
            with uncaptured():
                terminal.rewrite("", erase=True)
                terminal.write("\r", flush=True)
