"""Imports this package's modules without pytest, which would rewrite the asserts of each.

pytest does that for every module of a plugin's distribution. It takes 250 ms where the rewritten
bytecode is not cached, as in every fresh environment.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    import pytest


class _Plain:
    """Finds this package's modules before pytest does."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where Python itself finds a module of ours; None for any other."""
        ours = name.startswith("pytest_exposed.")
        return PathFinder.find_spec(name, path, target) if ours else None


def find_plainly(config: pytest.Config) -> None:
    """Import modules of this package as they are, until the run ends."""
    sys.meta_path.insert(0, _Plain)
    config.add_cleanup(_find_as_before)


def _find_as_before() -> None:
    with suppress(ValueError):  # something has replaced the list
        sys.meta_path.remove(_Plain)


def of_failures(item: pytest.Item) -> None:
    """Import what shows the failure of a suite's test, before the test.

    What a test has replaced or used up may keep modules from being imported.
    """
    if "pytest_exposed.errors" in sys.modules and "exposed" not in item.keywords:
        with suppress(Exception):
            from pytest_exposed.plugin import failures  # noqa: F401, PLC0415
