"""An audit beside each plugin that touches tests or reports, and beside all of them.

Those that tox installed and named in EXPOSED_NEIGHBOURS are tried.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from neighbours.plugins import APART, NEIGHBOURS, Neighbour

if TYPE_CHECKING:
    from pathlib import Path

    from neighbours.conftest import Namespaces, Trio

INSTALLED = os.environ.get("EXPOSED_NEIGHBOURS", "pytest-xdist").split(",")
TRIED = [x for x in NEIGHBOURS if x.distribution in INSTALLED]
TOGETHER = [x for x in TRIED if x.distribution not in APART]
BY_EXEC = (
    "exposed: 3 containers on 1 host, 1 match, 1 do not (undocumented 1), 1 could not be judged"
)
BY_KERNEL = "exposed: 3 containers on 1 host, 2 match, 1 do not (undocumented 1)"


@pytest.mark.parametrize("plugin", TRIED, ids=[x.distribution for x in TRIED])
def test_one(
    plugin: Neighbour,
    trio: Trio,
    pytester: pytest.Pytester,
    namespaces: Namespaces,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    loaded = [y for x in ("exposed", *plugin.plugins) for y in ("-p", x)]
    _set_up([plugin], pytester, namespaces, monkeypatch)
    result = pytester.runpytest_subprocess(
        *loaded, *trio.options, "--junitxml=junit.xml", *plugin.options
    )
    _check(result, pytester.path, trio, runs=plugin.runs, tracebacks=plugin.shows_tracebacks)
    _check_report(plugin, result, pytester.path, trio)
    namespaces.check()


@pytest.mark.parametrize("source", ["exec", "netlink"])
def test_all(
    source: str,
    trio: Trio,
    pytester: pytest.Pytester,
    namespaces: Namespaces,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All that can be loaded together, each with its report."""
    _set_up(TOGETHER, pytester, namespaces, monkeypatch)
    options = dict.fromkeys(y for x in TOGETHER if x.runs == 1 for y in x.options)
    given = (*trio.options, f"--exposed-source={source}", "--junitxml=junit.xml", *options)
    result = pytester.runpytest_subprocess(*given)
    if source == "exec":
        _check(result, pytester.path, trio)
        for plugin in TOGETHER:
            _check_report(plugin, result, pytester.path, trio)
    else:
        assert _counts(pytester.path) == (3, 1)
        _check_output(result)
    namespaces.check()


@pytest.mark.parametrize(
    "plugin",
    [
        x
        for x in TRIED
        if x.distribution in {"freezegun", "gevent", "pytest-socket", "pytest-xdist"}
    ],
    ids=lambda x: x.distribution,
)
def test_the_namespaces_are_entered_beside(
    plugin: Neighbour,
    trio: Trio,
    pytester: pytest.Pytester,
    namespaces: Namespaces,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those that replace clocks, threads or sockets, or that run processes."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    loaded = [y for x in ("exposed", *plugin.plugins) for y in ("-p", x)]
    _set_up([plugin], pytester, namespaces, monkeypatch)
    given = (*trio.options, "--exposed-source=auto", "--junitxml=junit.xml", *plugin.options)
    result = pytester.runpytest_subprocess(*loaded, *given)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert _counts(pytester.path) == (3, 1)
    _check_output(result)
    result.stdout.fnmatch_lines([f"*{BY_KERNEL}"])
    namespaces.check()


def _set_up(
    plugins: list[Neighbour],
    pytester: pytest.Pytester,
    namespaces: Namespaces,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytester.makeconftest(namespaces.conftest("".join(x.conftest for x in plugins)))
    for plugin in plugins:
        for name, value in plugin.environment.items():
            monkeypatch.setenv(name, value)


def _check(
    result: pytest.RunResult, folder: Path, trio: Trio, *, runs: int = 1, tracebacks: bool = False
) -> None:
    """Check the exit code, the counts, and what is shown whatever shows it."""
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert _counts(folder) == (3 * runs, 2 * runs)
    _check_output(result, tracebacks=tracebacks)
    result.stdout.fnmatch_lines([f"*{BY_EXEC}"])
    assert trio.failing in result.stdout.str()


def _check_output(result: pytest.RunResult, *, tracebacks: bool = False) -> None:
    shown = result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in shown
    assert "pytest_exposed/" not in shown
    assert tracebacks or "Traceback (most recent call last)" not in shown


def _counts(folder: Path) -> tuple[int, int]:
    """Return how many tests there were and how many failed, whatever shows it on the terminal."""
    suite = ET.parse(folder / "junit.xml").find("testsuite")  # pytest's own
    assert suite is not None
    assert suite.get("errors") == "0"
    return int(suite.get("tests") or 0), int(suite.get("failures") or 0)


def _check_report(plugin: Neighbour, result: pytest.RunResult, folder: Path, trio: Trio) -> None:
    """Check that a plugin's report says of each container how it ended and why."""
    passed, failed, unseen = (
        plugin.report(folder, result, x) for x in (trio.passing, trio.failing, trio.unseen)
    )
    assert passed.startswith("passed")
    assert failed.startswith("failed")
    assert re.search(r"undocumented +9100/tcp", failed)
    assert unseen.startswith("failed")
    assert "there is no cat in the image" in unseen
