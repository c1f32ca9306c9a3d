"""The plugin beside other plugins: no name of an option or a fixture is another's.

tox runs this with each set of neighbours installed, and names them in EXPOSED_NEIGHBOURS.
"""

from __future__ import annotations

import os
import re
from importlib.metadata import distributions
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

FIXTURES = (
    "exposed",
    "container_listens_on",
    "container_publishes",
    "container_matches_image",
    "image_exposes",
    "running_container",
)


def test_the_neighbours_are_installed() -> None:
    # Not by entry points: gevent and freezegun are neighbours, and no plugins.
    installed = {x.name.replace("_", "-").lower() for x in distributions()}
    wanted = os.environ.get("EXPOSED_NEIGHBOURS", "pytest-xdist").split(",")
    assert {"pytest-exposed", *wanted} <= installed


def test_pytest_starts_with_all_of_them(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_nothing(): pass")
    pytester.runpytest_subprocess("--strict-config").assert_outcomes(passed=1)
    shown = pytester.runpytest_subprocess("--help").stdout.str()
    assert shown.count("--docker-host") == 1
    assert shown.count("--exposed-select") == 1


def test_each_fixture_is_ours_alone(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--fixtures", "-v")
    # A line for each fixture of a name: "exposed [session scope] -- FILE:LINE"
    places: dict[str, list[str]] = {}
    for name, place in re.findall(
        r"^(\w+)(?: \[.*?\])? -- (.*)$", result.stdout.str(), re.MULTILINE
    ):
        places.setdefault(name, []).append(place)
    for name in FIXTURES:
        assert len(places[name]) == 1
        assert "pytest_exposed" in places[name][0]


def test_fixtures_of_neighbours_stay_theirs(pytester: pytest.Pytester) -> None:
    with_us = _fixtures(pytester.runpytest_subprocess("--fixtures", "-v"))
    without = _fixtures(pytester.runpytest_subprocess("--fixtures", "-v", "-p", "no:exposed"))
    assert with_us - without == set(FIXTURES) | {"_exposed_checker"}
    assert without <= with_us


def _fixtures(result: pytest.RunResult) -> set[str]:
    return set(re.findall(r"^(\w+)(?: \[.*?\])? -- ", result.stdout.str(), re.MULTILINE))
