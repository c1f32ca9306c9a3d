"""Options that nothing in a run uses: an error, as who types them expects an audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from refusal import refusal

from pytest_exposed.plugin.options import OPTIONS, Option

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., pytest.RunResult]

FOR_ALL = [x for x in OPTIONS if x.help and x.name not in ("docker_host", "run", "dockerfile")]


def value(flag: str) -> str:
    """Return an option with a value that is right."""
    known = {
        "--exposed-report": "r.json",
        "--exposed-write-tests": "test_new.py",
        "--exposed-watch": "1",
        "--exposed-filter": "name=web",
        "--exposed-select": "silent",
        "--exposed-ignore": "silent",
        "--exposed-warn": "silent",
        "--exposed-documented": "run",
        "--exposed-grace": "0",
        "--exposed-source": "exec",
        "--exposed-helper-image": "busybox",
        "--exposed-allow": "web: 80",
        "--exposed-write-baseline": "baseline.txt",
    }
    return f"{flag}={known[flag]}"


@pytest.mark.parametrize(
    "flag", [x.flag for x in FOR_ALL if x.name != "baseline"], ids=lambda x: x[10:]
)
def test_each_is_an_error_without_an_audit(
    flag: str, run_pytest: Run, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile("def test_x(): pass")
    said = refusal(run_pytest(value(flag)))
    assert flag in said
    # An image that the run starts is chosen by no filter.
    ways = "--exposed" if flag == "--exposed-filter" else "--exposed, or --exposed-run"
    assert said.endswith(f": add {ways}")


@pytest.mark.parametrize("chosen", [["test_x.py::test_x"], ["-m", "not exposed"]])
def test_where_the_run_leaves_the_audit_out(
    chosen: list[str], run_pytest: Run, pytester: pytest.Pytester
) -> None:
    pytester.makeini("[pytest]\nexposed = true")
    pytester.makepyfile(test_x="def test_x(exposed): pass")
    assert "only an audit uses --exposed-report" in refusal(
        run_pytest(*chosen, value("--exposed-report"))
    )


@pytest.mark.parametrize("row", [x for x in OPTIONS if x.help], ids=lambda x: x.name)
@pytest.mark.parametrize("empty", ["", " ", ","])
def test_an_empty_value(row: Option, empty: str, run_pytest: Run) -> None:
    said = refusal(run_pytest("--exposed", f"{row.flag}={empty}"))
    assert said.startswith(f"{row.flag} is empty: write ")
    assert said.endswith(f"{row.flag}={row.metavar}")


@pytest.mark.parametrize("words", [("-e", "A=1", "web"), (), ("--exposed",)])
def test_a_run_without_an_equals_sign(words: tuple[str, ...], run_pytest: Run) -> None:
    said = refusal(run_pytest("--exposed-run", *words))
    assert said.startswith("--exposed-run has no value: write = behind it, as pytest takes words ")


def test_what_a_fixture_uses_is_none(run_on_engine: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_engine="def test_x(exposed): pass",
        test_each="def test_y(running_container): pass",
        test_none="def test_z(): pass",
    )
    run_on_engine("test_engine.py", value("--exposed-source")).assert_outcomes(passed=1)
    nobody = "--exposed-filter=name=nosuch"
    run_on_engine("test_each.py", nobody).assert_outcomes(skipped=1)
    assert "--exposed-filter" in refusal(run_on_engine("test_engine.py", nobody))
    # An engine may be named for any run.
    run_on_engine("test_none.py").assert_outcomes(passed=1)


def test_one_in_addopts_waits_for_the_runs_that_use_it(
    run_pytest: Run, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile("def test_x(): pass")
    pytester.makeini("[pytest]\naddopts = --exposed-filter name=web\n")
    run_pytest().assert_outcomes(passed=1)


@pytest.mark.parametrize("path", ["", "test_x.py"], ids=["alone", "with a suite"])
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_no_filter_chooses_what_the_run_starts(
    path: str, workers: str, run_on_engine: Run, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_x="def test_x(): pass")
    arguments = (*path.split(), workers, "--exposed-run=no-such-image", value("--exposed-filter"))
    assert refusal(run_on_engine(*arguments)) == "no test uses --exposed-filter: add --exposed"


def test_a_suite_beside_what_the_run_starts_may_use_it(
    run_on_engine: Run, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_each="def test_y(running_container): pass")
    arguments = ("test_each.py", "--exposed-run=no-such-image", "--exposed-filter=name=nosuch")
    run_on_engine(*arguments).assert_outcomes(skipped=1, failed=1)


def test_workers_refuse_as_a_run_without_them(
    run_on_engine: Run, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_engine="def test_x(exposed): pass", test_none="def test_z(): pass")
    source = value("--exposed-source")
    run_on_engine("-n2", source).assert_outcomes(passed=2)
    result = run_on_engine("test_none.py", "-n2", source)
    assert refusal(result).startswith("no test uses --exposed-source: add --exposed")
    result.assert_outcomes()
