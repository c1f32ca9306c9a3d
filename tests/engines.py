"""Engines of the tests' own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

import pytest
from demo.packages import NotInstalled
from demo.throwaway import EngineMissing

T = TypeVar("T")


@contextmanager
def started(engines: AbstractContextManager[T]) -> Iterator[T]:
    """Start engines, or fail with what they lack."""
    with ExitStack() as stack:
        try:
            found = stack.enter_context(engines)
        except (EngineMissing, NotInstalled) as error:
            pytest.fail(f"these tests need engines of their own. {error}", pytrace=False)
        yield found
