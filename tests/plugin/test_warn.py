"""Warnings, by advice and `--exposed-warn`: shown, counted and reported, and no failure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stage import Stage

    Run = Callable[..., pytest.RunResult]

HEADING = "*- warnings, which fail nothing -*"


@pytest.fixture(scope="module")
def place(shared_stage: Stage) -> Stage:
    """A stage with a web server without a certificate, and one that is silent and undocumented."""
    shared_stage.run("tcp:0.0.0.0:80", exposes=("80", "443"), name="web")
    shared_stage.run("tcp:0.0.0.0:80", "tcp:0.0.0.0:82", exposes=("80", "81"), name="app")
    return shared_stage


def test_advice_is_shown_and_counted(audit: Run, place: Stage) -> None:
    result = audit(place, "-k=web")
    result.assert_outcomes(passed=1, deselected=1)
    result.stdout.fnmatch_lines(
        [
            HEADING,
            "*web (*)",
            "  silent  443/tcp  *; its service may open it with a certificate*",
            "                   start its service, or remove EXPOSE 443/tcp from its Dockerfile",
            "exposed: 1 container on 1 host, 1 match, 1 warning",
        ]
    )


def test_none_makes_it_fail(audit: Run, place: Stage) -> None:
    result = audit(place, "-k=web", "--exposed-warn=none")
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(["  silent  443/tcp  *"])
    result.stdout.no_fnmatch_line(HEADING)


@pytest.mark.parametrize("options", [(), ("-n2",)])
def test_a_rule_that_warns_beside_one_that_fails(
    options: tuple[str, ...], audit: Run, place: Stage
) -> None:
    result = audit(place, "--exposed-warn=silent", *options)
    result.assert_outcomes(failed=1, passed=1)
    # The failure is what fails, the warnings are below all of them.
    lines = result.outlines
    failure = lines.index(next(x for x in lines if "does not match its image" in x))
    assert lines[failure + 1].startswith("  undocumented  82/tcp")
    result.stdout.fnmatch_lines(
        [
            "warning: silent 81/tcp",
            HEADING,
            "*app (*)",
            "  silent  81/tcp *",
            "*web (*)",
            "  silent  443/tcp *",
            "exposed: 2 containers on 1 host, 1 match, 1 do not (undocumented 1), 2 warnings",
        ]
    )
    result.stdout.fnmatch_lines(["FAILED *app - undocumented 82/tcp"])


def test_all_rules_can_warn(audit: Run, place: Stage) -> None:
    result = audit(place, "--exposed-warn=default")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["exposed: 2 containers on 1 host, 2 match, 3 warnings"])


def test_the_setting(audit: Run, place: Stage, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nexposed_warn =\n    silent\n    undocumented\n")
    audit(place).assert_outcomes(passed=2)
    audit(place, "--exposed-warn=undocumented").assert_outcomes(failed=1, passed=1)


@pytest.mark.parametrize("text", ["nosuch", "none,silent"])
def test_what_is_no_rule(text: str, audit: Run, place: Stage) -> None:
    assert "--exposed-warn, exposed_warn: " in refusal(audit(place, f"--exposed-warn={text}"))


def test_a_waiver_and_a_baseline_accept_it(
    audit: Run, place: Stage, pytester: pytest.Pytester, tmp_path: Path
) -> None:
    file = tmp_path / "accepted.txt"
    audit(place, f"--exposed-write-baseline={file}")
    result = audit(place, f"--exposed-baseline={file}")
    result.stdout.fnmatch_lines(["exposed: 2 containers on 1 host, 0 match, 2 accepted"])
    result.stdout.no_fnmatch_line(HEADING)
    pytester.makeini("[pytest]\nexposed_allow = *: 443  # no certificate here\n")
    result = audit(place, "-k=web")
    result.stdout.fnmatch_lines(["exposed: 1 container on 1 host, 0 match, 1 accepted"])


def test_reports(audit: Run, place: Stage, tmp_path: Path) -> None:
    files = {x: tmp_path / f"ports.{x}" for x in ("json", "sarif", "md", "html", "xml")}
    reports = [f"--exposed-report={files[x]}" for x in ("json", "sarif", "md", "html")]
    audit(place, *reports, f"--junitxml={files['xml']}")
    (host,) = json.loads(files["json"].read_text())["hosts"]
    found = {y["port"]: y for x in host["containers"] for y in x["findings"]}
    assert found["443/tcp"]["warning"] is True
    assert found["443/tcp"]["waived"] is None
    assert "warning" not in found["81/tcp"]
    results = json.loads(files["sarif"].read_text())["runs"][0]["results"]
    levels = {x["message"]["text"].split()[1]: x["level"] for x in results}
    assert levels == {"443/tcp:": "warning", "81/tcp:": "error", "82/tcp:": "error"}
    rows = [x for x in files["md"].read_text().splitlines() if "/tcp |" in x]
    assert "443/tcp" in rows[-1]
    assert "| silent (warning) | 443/tcp |" in rows[-1]
    assert "| start its service" in rows[-1]
    assert '<li class="warning"><b>! <a href="#rule-silent">silent</a></b> 443/tcp<p>' in (
        files["html"].read_text()
    )
    cases = ET.parse(files["xml"]).getroot().iter("testcase")
    categories = {
        x.get("name"): y.get("value")
        for x in cases
        for y in x.iter("property")
        if y.get("name") == "exposed_warning"
    }
    (name,) = categories
    assert str(name).endswith("web")
    assert str(categories[name]).startswith("silent 443/tcp: ")


def test_an_assertion_passes(place: Stage, pytester: pytest.Pytester, run_on_engine: Run) -> None:
    pytester.makepyfile(
        f"""
        def test_web(container_matches_image):
            assert container_matches_image("{place.name}-web")
        """
    )
    run_on_engine().assert_outcomes(passed=1)
    run_on_engine("--exposed-warn=none").assert_outcomes(failed=1)
