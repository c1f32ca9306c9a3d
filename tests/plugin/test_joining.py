"""Where the audit runs beside a suite, and where it is all that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage import Stage, Staged

    Run = Callable[..., pytest.RunResult]

INI = """
[pytest]
testpaths = suite
exposed_docker_host = {url}
exposed_filter = {filter}
exposed_grace = 0
{more}
"""


@pytest.fixture(scope="module")
def drift(shared_stage: Stage) -> Staged:
    return shared_stage.run("tcp:0.0.0.0:80", name="drift")


@pytest.fixture
def suite(
    pytester: pytest.Pytester, engine_url: str, shared_stage: Stage, drift: Staged
) -> Callable[[str], None]:
    """Write a suite with a test that passes, and settings with some more."""
    assert drift.state() == "running"
    pytester.mkdir("suite").joinpath("test_own.py").write_text("def test_own(): pass\n")

    def write(more: str) -> None:
        pytester.makeini(INI.format(url=engine_url, filter=shared_stage.filter, more=more))

    return write


WORKERS = pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "workers"])


@WORKERS
@pytest.mark.parametrize("more", ["addopts = --exposed", "exposed = true"])
def test_a_setting_joins_the_suite(
    more: str, workers: tuple[str, ...], run_pytest: Run, suite: Callable[[str], None]
) -> None:
    suite(more)
    run_pytest(*workers).assert_outcomes(passed=1, failed=1)


def test_the_environment_joins_the_suite(
    run_pytest: Run, suite: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    suite("")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--exposed")
    run_pytest().assert_outcomes(passed=1, failed=1)


@WORKERS
def test_typed_without_paths_it_is_all_that_runs(
    workers: tuple[str, ...], run_pytest: Run, suite: Callable[[str], None]
) -> None:
    suite("")
    run_pytest("--exposed", *workers).assert_outcomes(failed=1)
    suite("addopts = --exposed")
    run_pytest("--exposed", *workers).assert_outcomes(failed=1)


@WORKERS
def test_typed_with_a_path_it_joins(
    workers: tuple[str, ...], run_pytest: Run, suite: Callable[[str], None]
) -> None:
    suite("")
    run_pytest("--exposed", "suite", *workers).assert_outcomes(passed=1, failed=1)


def test_an_id_is_all_that_runs(
    run_pytest: Run, suite: Callable[[str], None], drift: Staged
) -> None:
    suite("exposed = true")
    run_pytest(f"exposed::{drift.name}").assert_outcomes(failed=1)
    result = run_pytest(f"exposed::{drift.name}", "suite/test_own.py")
    result.assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize("more", ["", "addopts = --exposed-report=r.md --exposed-watch=1"])
def test_a_setting_can_be_turned_off(
    more: str, run_pytest: Run, suite: Callable[[str], None]
) -> None:
    suite(f"exposed = true\n{more}")
    off = ("-o", "exposed=false")
    run_pytest(*off).assert_outcomes(passed=1)
    said = refusal(run_pytest(*off, "--exposed-watch=2"))
    assert said == "only an audit uses --exposed-watch: add --exposed, or --exposed-run"


@pytest.mark.parametrize("typed", ["--exposed-report=r.md", "--exposed-filter=name=web"])
@pytest.mark.parametrize("left_out", [("-m", "not exposed"), ("suite/test_own.py::test_own",)])
def test_what_left_it_out_is_told(
    typed: str, left_out: tuple[str, ...], run_pytest: Run, suite: Callable[[str], None]
) -> None:
    suite("exposed = true")
    said = refusal(run_pytest(typed, *left_out))
    assert said.endswith(", and this run leaves the audit out, by -m or by ids of other tests")


@pytest.mark.parametrize(
    ("chosen", "outcome"),
    [("exposed", {"failed": 1, "deselected": 1}), ("not exposed", {"passed": 1})],
)
def test_the_marker_chooses(
    chosen: str, outcome: dict[str, int], run_pytest: Run, suite: Callable[[str], None]
) -> None:
    suite("exposed = true")
    result = run_pytest("-m", chosen, "--strict-markers")
    result.assert_outcomes(**outcome)


@pytest.mark.parametrize("shows", ["--fixtures", "--fixtures-per-test", "--markers", "--help"])
def test_what_only_shows_needs_no_engine(shows: str, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\naddopts = --exposed --docker-host=tcp://127.0.0.1:1\n")
    pytester.makepyfile("def test_own(): pass")
    result = pytester.runpytest(shows)
    assert result.ret in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    assert not [x for x in result.errlines if x.startswith("ERROR")]


NOWHERE = "unix:///there/is/no.sock"


@WORKERS
@pytest.mark.parametrize("more", ["addopts = --exposed", "exposed = true"])
def test_without_an_engine_the_suite_runs_and_the_audit_fails(
    more: str, workers: tuple[str, ...], run_pytest: Run, suite: Callable[[str], None]
) -> None:
    suite(more)
    result = run_pytest("--docker-host", NOWHERE, *workers)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            f"{NOWHERE}: there is no such socket*",
            "exposed: 0 containers on 1 host, 0 match, 1 host not reached",
            "FAILED exposed - *",
        ]
    )


@WORKERS
@pytest.mark.parametrize(
    "chosen",
    [
        ("suite/test_own.py::test_own",),
        ("-m", "not exposed"),
        ("-m", "not exposed and not slow"),
        ("-o", "exposed=false"),
        ("--deselect", "exposed"),
    ],
)
def test_what_leaves_the_audit_out_needs_no_engine(
    chosen: tuple[str, ...],
    workers: tuple[str, ...],
    run_pytest: Run,
    suite: Callable[[str], None],
) -> None:
    suite("exposed = true")
    result = run_pytest("--docker-host", NOWHERE, *chosen, *workers)
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line("*was audited*")


@pytest.mark.parametrize(
    "chosen",
    [
        ("--exposed", "suite/test_own.py::test_own"),
        ("suite",),
        ("suite/test_own.py",),
        ("-m", "exposed or not slow"),
        ("-m", "not (exposed and slow)"),
    ],
)
def test_what_does_not(
    chosen: tuple[str, ...], run_pytest: Run, suite: Callable[[str], None]
) -> None:
    suite("exposed = true")
    run_pytest(*chosen).assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize("options", [(), ("-q",)])
def test_that_there_was_no_container_is_said_beside_tests_that_pass(
    options: tuple[str, ...], run_pytest: Run, suite: Callable[[str], None]
) -> None:
    suite("exposed = true")
    result = run_pytest("-o", "exposed_filter=name=no-such-container", *options)
    result.assert_outcomes(passed=1)
    at = next(x for x, line in enumerate(result.outlines) if "so no container was audited" in line)
    header = ", 0 running containers that match name=no-such-container"
    assert result.outlines[at - 1].endswith(header)
    result = run_pytest("--exposed", "-o", "exposed_filter=name=no-such-container")
    result.stdout.no_fnmatch_line("*no container was audited*")


@pytest.mark.parametrize("before", ["", "exposed:"])
def test_a_container_that_is_given_as_a_path(
    before: str, run_pytest: Run, suite: Callable[[str], None], drift: Staged
) -> None:
    suite("")
    path = before + drift.name
    result = run_pytest("--exposed", path)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    why = f"(the audit's test of that container is exposed::{drift.name})"
    assert result.errlines[0] == f"ERROR: file or directory not found: {path} {why}"
