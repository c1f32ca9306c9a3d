"""The plugins with the most downloads that touch tests or reports, and what each one reports.

Left out, or not tried as by default, and why:

- pytest-tap 3.5 adds two options with one destination, which pytest 9.2 refuses.
- pytest-csv 3.0's default columns end the run at any id without ".py", such as that of a doctest in
  a text file: it is tried with columns that read no id.
- pytest-md 0.2 reports counts only.
- pytest-pretty and pytest-rich replace the terminal reporter, as pytest-sugar does.
- pytest-reportportal and pytest-sentry need a server.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

Reader = Callable[[Path, pytest.RunResult, str], str]
"""Return what a plugin's report in a folder, or the output, says of a container: outcome, text."""


def _lines(_: Path, result: pytest.RunResult, name: str) -> str:
    """Return the output from a container's heading on, and its line of pytest's summary."""
    shown = result.stdout.str()
    outcome = "failed" if re.search(rf"^FAILED \S*{name}\b", shown, re.MULTILINE) else "passed"
    return f"{outcome} {shown.partition(f'_ {name} _')[2]}"


def _sugar(folder: Path, result: pytest.RunResult, name: str) -> str:
    return _lines(folder, result, name).partition(" ")[0] + result.stdout.str()


def _json(folder: Path, _: pytest.RunResult, name: str) -> str:
    tests = json.loads((folder / "report.json").read_text())["tests"]
    (test,) = (x for x in tests if x["nodeid"].endswith(f"::{name}"))
    return f"{test['outcome']} {test['call'].get('crash', {}).get('message', '')}"


def _html(folder: Path, _: pytest.RunResult, name: str) -> str:
    text = (folder / "report.html").read_text()
    found = re.search(r'data-jsonblob="([^"]*)"', text)
    assert found
    tests = json.loads(unescape(found[1]))["tests"]
    test = tests[next(x for x in tests if x.endswith(f"::{name}"))][-1]
    return f"{test['result'].lower()} {test['log']}"


def _csv(folder: Path, _: pytest.RunResult, name: str) -> str:
    with (folder / "report.csv").open() as file:
        row = next(x for x in csv.DictReader(file) if x["id"].endswith(f"::{name}"))
    return f"{row['status']} {row['message']}"


def _allure(folder: Path, _: pytest.RunResult, name: str) -> str:
    results: list[dict[str, Any]] = [
        json.loads(x.read_text()) for x in (folder / "allure").glob("*-result.json")
    ]
    result = next(x for x in results if x["name"] == name)
    # What keeps a test from its judgement is broken in allure's words, and a finding failed.
    outcome = "failed" if name.endswith("unseen") and result["status"] == "broken" else None
    return f"{outcome or result['status']} {result.get('statusDetails', {}).get('message', '')}"


def _reportlog(folder: Path, _: pytest.RunResult, name: str) -> str:
    lines = [json.loads(x) for x in (folder / "report.jsonl").read_text().splitlines()]
    (call,) = (
        x
        for x in lines
        if x.get("when") == "call" and x["nodeid"].endswith(f"::{name}") and x["outcome"] != "rerun"
    )
    crash = call["longrepr"]["reprcrash"]["message"] if call["longrepr"] else ""
    return f"{call['outcome']} {crash}"


def _nunit(folder: Path, _: pytest.RunResult, name: str) -> str:
    cases = ET.parse(folder / "nunit.xml").iter("test-case")  # the plugin's own
    case = next(x for x in cases if x.get("methodname") == name)
    return f"{(case.get('result') or '').lower()} {case.findtext('failure/message')}"


def _annotations(_: Path, result: pytest.RunResult, name: str) -> str:
    found = re.search(rf"::error file=exposed,line=1::({name}%0A%0A.*)", result.stderr.str())
    return f"failed {found[1]}" if found else "passed"


def _teamcity(_: Path, result: pytest.RunResult, name: str) -> str:
    found = re.search(
        rf"##teamcity\[testFailed .*details='([^']*)'.*name='exposed.{name}'", result.stdout.str()
    )
    return f"failed {found[1]}" if found else "passed"


@dataclass(frozen=True)
class Neighbour:
    """A plugin, and how people use it."""

    distribution: str
    plugins: tuple[str, ...] = ()
    """The entry points that are loaded; none where its conftest does all."""
    options: tuple[str, ...] = ()
    report: Reader = _lines
    environment: Mapping[str, str] = field(default_factory=dict)
    conftest: str = ""
    runs: int = 1
    """How many times each test is run and counted."""
    shows_tracebacks: bool = False
    """Whether it formats each test's exception itself, down to pytest's own frame."""


FREEZE = """
from freezegun import freeze_time

freeze_time("2001-01-01").start()
"""

PATCH = """
from gevent import monkey

monkey.patch_all()
"""

DJANGO = """
from django.conf import settings

def pytest_configure():
    settings.configure()
"""

NEIGHBOURS = (
    Neighbour("allure-pytest", ("allure_pytest",), ("--alluredir=allure",), _allure),
    Neighbour("anyio", ("anyio",)),
    Neighbour("freezegun", conftest=FREEZE),
    Neighbour("gevent", conftest=PATCH),
    Neighbour("pytest-asyncio", ("asyncio",), ("--asyncio-mode=auto",)),
    Neighbour(
        "pytest-azurepipelines", ("azurepipelines", "nunit"), ("--nunit-xml=nunit.xml",), _nunit
    ),
    Neighbour("pytest-bdd", ("pytest-bdd",), ("--cucumberjson=cucumber.json",)),
    Neighbour("pytest-benchmark", ("benchmark",), ("--benchmark-json=benchmark.json",)),
    Neighbour("pytest-clarity", ("clarity",)),
    Neighbour("pytest-cov", ("pytest_cov",), ("--cov=.", "--cov-report=term")),
    Neighbour(
        "pytest-csv",
        ("pytest_csv",),
        ("--csv=report.csv", "--csv-columns=id,status,message,duration,host"),
        _csv,
    ),
    Neighbour("pytest-dependency", ("dependency",)),
    Neighbour("pytest-django", ("django",), conftest=DJANGO),
    Neighbour("pytest-env", ("env",)),
    Neighbour("pytest-flakefinder", ("flakefinder",), ("--flake-finder", "--flake-runs=2"), runs=2),
    Neighbour("pytest-freezer", ("freezer",)),
    Neighbour(
        "pytest-github-actions-annotate-failures",
        ("pytest_github_actions_annotate_failures",),
        report=_annotations,
        environment={"GITHUB_ACTIONS": "true"},
    ),
    Neighbour(
        "pytest-html",
        ("metadata", "html"),
        ("--html=report.html", "--self-contained-html"),
        _html,
    ),
    Neighbour("pytest-icdiff", ("icdiff",)),
    Neighbour("pytest-instafail", ("instafail",), ("--instafail",)),
    Neighbour(
        "pytest-json-report",
        ("metadata", "pytest_jsonreport"),
        ("--json-report", "--json-report-file=report.json"),
        _json,
    ),
    Neighbour("pytest-metadata", ("metadata",), ("--metadata", "job", "7")),
    Neighbour("pytest-mock", ("pytest_mock",)),
    Neighbour("pytest-nunit", ("nunit",), ("--nunit-xml=nunit.xml",), _nunit),
    Neighbour("pytest-order", ("pytest_order",), ("--indulgent-ordering",)),
    Neighbour("pytest-randomly", ("randomly",)),
    Neighbour("pytest-repeat", ("repeat",), ("--count=2",)),
    Neighbour(
        "pytest-reportlog", ("pytest_reportlog",), ("--report-log=report.jsonl",), _reportlog
    ),
    Neighbour("pytest-rerunfailures", ("rerunfailures",), ("--reruns=1",)),
    Neighbour("pytest-retry", ("pytest-retry",), ("--retries=1",), shows_tracebacks=True),
    Neighbour("pytest-socket", ("socket",), ("--disable-socket", "--allow-unix-socket")),
    Neighbour("pytest-split", ("pytest-split",), ("--splits=1", "--group=1", "--store-durations")),
    Neighbour("pytest-subtests", ("subtests",)),
    Neighbour("pytest-sugar", ("sugar",), ("--force-sugar",), _sugar),
    Neighbour("pytest-testmon", ("pytest-testmon",), ("--testmon",)),
    Neighbour("pytest-timeout", ("timeout",), ("--timeout=60",)),
    Neighbour("pytest-xdist", ("xdist",), ("-n2",)),
    Neighbour("syrupy", ("syrupy",)),
    Neighbour("teamcity-messages", ("pytest-teamcity",), ("--teamcity",), _teamcity),
)

APART = {"freezegun", "gevent", "pytest-django", "pytest-retry", "pytest-sugar", "pytest-xdist"}
"""Those tried apart only: pytest-retry and pytest-rerunfailures run the same tests again,
pytest-sugar and pytest-instafail show the same failures, and pytest-xdist runs no other's hooks."""
