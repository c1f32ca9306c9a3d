"""Signals that end a run: it removes what it has started first, as at Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = ("SIGTERM", "SIGHUP")
"""SIGTERM is that of CI, SIGHUP that of a terminal which is closed."""


@contextmanager
def interrupting() -> Iterator[None]:
    """Let signals that would kill the process interrupt the block as Ctrl-C does.

    What a suite does with a signal is respected.
    """
    ours = []
    if threading.current_thread() is threading.main_thread():  # no other can set a handler
        known = [getattr(signal, x) for x in _ENDING if hasattr(signal, x)]
        ours = [x for x in known if signal.getsignal(x) == signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _interrupt(number: int, frame: FrameType | None) -> None:
    del frame
    signal.signal(number, signal.SIG_IGN)  # a second one doesn't end the removal
    raise KeyboardInterrupt(signal.Signals(number).name)
