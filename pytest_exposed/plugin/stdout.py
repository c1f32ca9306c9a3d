"""Standard output for a report alone; all other output goes to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, TextIO


class Reserved(NamedTuple):
    """Standard output, and a function that gives it back to everybody."""

    stream: TextIO
    restore: Callable[[], None]


def is_of_a_worker() -> bool:
    """Return whether this is a worker of pytest-xdist, whose standard output nobody reads.

    Its terminal writes there all the same, and would be seen elsewhere. A program that a worker has
    started inherits the variable, but not the null device.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return False
    try:
        return os.path.samestat(os.fstat(1), os.stat(os.devnull))
    except OSError:
        return False


def reserve() -> Reserved:
    """Return standard output for one writer, and lead all others to standard error.

    Call it before pytest begins to capture output: pytest restores what it finds then.
    """
    before, errors = sys.stdout, sys.stderr
    before.flush()
    try:
        number, other = before.fileno(), errors.fileno()
        # Programs that tests start write to the descriptor.
        own = os.dup(number)
        os.dup2(other, number)
    except (OSError, ValueError):  # a program that runs pytest has put an object in their place
        sys.stdout = errors
        return Reserved(before, lambda: setattr(sys, "stdout", before))
    stream = os.fdopen(own, "w", encoding="utf-8")

    def restore() -> None:
        before.flush()
        os.dup2(own, number)
        with suppress(OSError):  # what a reader that has gone did not take
            stream.close()

    return Reserved(stream, restore)
