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
def live(config: pytest.Config, item: pytest.Item | None = None) -> Iterator[Callable[[str], None]]:
    """Give a function that replaces the line shown, until the block ends.

    It shows nothing where no person looks at the terminal. While item runs, pytest captures what is
    written, and has begun its line: each line is written without that, and the item's line again.
    """
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if (
        not isinstance(reporter, pytest.TerminalReporter)
        or not reporter.isatty
        or (verbosity := reporter.verbosity) < 0
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
                again = f"{item.nodeid.partition('::')[0]} " if item and not verbosity else ""
                terminal.write(f"\r{again}", flush=True)


def shows_failures(config: pytest.Config) -> bool:
    """Return whether pytest prints failures, and with them their tables of ports."""
    style = config.getoption("tbstyle", "auto")
    # From pytest 9 on, --tb=line prints the text before its line.
    is_hidden = style == "no" or (style == "line" and pytest.version_tuple < (9,))
    return not is_hidden and not config.getoption("no_summary", False)
