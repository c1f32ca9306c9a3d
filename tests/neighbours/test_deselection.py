"""A plugin that leaves out what no changed file touches leaves out no container."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest
    from neighbours.conftest import Trio


def test_testmon_runs_each_container_again(
    trio: Trio, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    given = ("-p", "exposed", "-p", "pytest-testmon", "--testmon", *trio.options)
    for _ in range(2):
        result = pytester.runpytest_subprocess(*given)
        result.stdout.fnmatch_lines(["exposed: 3 containers on 1 host, 1 match, *"])
    # What leaves out a container on purpose still does.
    result = pytester.runpytest_subprocess(*given, "-k", "not passing")
    result.stdout.fnmatch_lines(["exposed: 2 containers on 1 host, 0 match, *"])
