"""Engines that let others wait for their list: tests of the others run meanwhile."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from remote.common import pytest_process
from remote.relay import Relay, shown
from stage import wait_until

from pytest_exposed.audit import audit

if TYPE_CHECKING:
    from pathlib import Path

    from stage import Stage

Run = Callable[..., pytest.RunResult]

CONFTEST = """
import os

def pytest_runtest_logreport(report):
    if report.when == "call" and "PYTEST_XDIST_WORKER" not in os.environ:
        with open("told", "a") as file:
            file.write(f"{report.outcome} {report.nodeid}\\n")
"""


class Fleet:
    """Three ways to the engine, which are engines to an audit; the last does not answer at once."""

    def __init__(self, relays: list[Relay], folder: Path) -> None:
        self.relays = relays
        self.late = relays[-1]
        self._told = folder / "told"
        self.came_in_time: list[bool] = []

    def told(self) -> list[str]:
        """Return the outcomes and ids of tests that have run."""
        return self._told.read_text().splitlines() if self._told.exists() else []

    def answers_after(self, tests: int) -> None:
        """Let the last engine's list wait until so many tests have run."""
        self.answers_when(lambda: len(self.told()) >= tests, f"{tests} tests have run")

    def answers_after_the_others(self, then: Callable[[], bool] = lambda: True) -> None:
        """Let it wait until the others have told their containers, filter and all; and do that."""

        def listed() -> bool:
            asked = [[x for x in y.requests if "/containers/json" in x] for y in self.relays[:-1]]
            return all(len(x) >= 2 for x in asked) and then()

        self.answers_when(listed, "the others were asked for their lists")

    @property
    def hosts(self) -> list[str]:
        """The options that name them."""
        return [f"--docker-host={x.url}" for x in self.relays]

    def answers_when(self, condition: Callable[[], bool], what: str) -> None:
        """Let the last engine's list wait for a condition."""

        def meddle(line: str) -> None:
            if "/containers/json" in line and not self.came_in_time:
                self.came_in_time.append(wait_until(condition, what))

        self.late.meddle = meddle  # type: ignore[assignment]  # it only waits

    def never_answers(self) -> None:
        """Let the last engine be silent."""
        self.late.meddle = lambda _: self.late.hold


@pytest.fixture
def fleet(
    socket_url: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Fleet]:
    monkeypatch.setattr(audit, "_PATIENCE", 0.3)
    pytester.makeconftest(CONFTEST)
    with ExitStack() as stack:
        yield Fleet([stack.enter_context(Relay(socket_url)) for _ in range(3)], pytester.path)


@pytest.fixture
def options(fleet: Fleet, stage: Stage) -> list[str]:
    """Audit a container that matches its image and one that doesn't, three times."""
    stage.run("tcp:0.0.0.0:80", name="good", exposes=("80",))
    stage.run("tcp:0.0.0.0:80", name="drift")
    return [f"--exposed-filter={stage.filter}", *fleet.hosts]


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_tests_of_the_others_run_before_it_answers_and_its_own_after(
    workers: tuple[str, ...],
    fleet: Fleet,
    options: list[str],
    run_pytest: Run,
    pytester: pytest.Pytester,
) -> None:
    fleet.answers_after(4)
    written = ["--exposed-report=r.json", "--junitxml=j.xml"]
    result = run_pytest(*options, *workers, *written, "-v")
    assert fleet.came_in_time == [True]
    result.assert_outcomes(passed=3, failed=3)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    late = f"exposed[{shown(fleet.late.url)}]::"
    *_, drift, good = fleet.told()
    assert drift.startswith(f"failed {late}")
    assert good.startswith(f"passed {late}")
    result.stdout.fnmatch_lines(
        [
            f"exposed: {fleet.late.url}, no answer yet: its tests come last",
            *([] if workers else ["collecting ... collected 4 items"]),
            f"*- ports on {fleet.late.url} -*",
            "exposed: 6 containers on 3 hosts, 3 match, 3 do not (undocumented 3)",
        ]
    )
    hosts = json.loads((pytester.path / "r.json").read_text())["hosts"]
    assert [(x["error"], len(x["containers"])) for x in hosts] == [(None, 2)] * 3
    assert (pytester.path / "j.xml").read_text().count("<testcase ") == 6


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_one_that_never_answers_is_a_failing_test_after_those_of_the_others(
    workers: tuple[str, ...],
    fleet: Fleet,
    options: list[str],
    run_pytest: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_CLIENT_TIMEOUT", "4")
    fleet.never_answers()
    result = run_pytest(*options, *workers)
    result.assert_outcomes(passed=2, failed=3)
    assert fleet.told()[4:] == [f"failed exposed[{shown(fleet.late.url)}]"]
    result.stdout.fnmatch_lines(
        [
            f"{fleet.late.url}: GET /_ping: no answer in time: *",
            "exposed: 4 containers on 3 hosts, 2 match, 2 do not (*), 1 host not reached",
        ]
    )


def test_a_run_that_stops_before_does_not_say_that_it_matches(
    fleet: Fleet, options: list[str], run_pytest: Run, pytester: pytest.Pytester
) -> None:
    fleet.never_answers()
    result = run_pytest(*options, "-x", "--exposed-report=r.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["exposed: *, 1 host not reached"])
    hosts = json.loads((pytester.path / "r.json").read_text())["hosts"]
    assert [x["error"] for x in hosts] == [None, None, "it had not answered when the run ended"]


def test_a_waiver_of_a_container_on_it_is_not_said_to_be_unused(
    fleet: Fleet, options: list[str], run_pytest: Run, pytester: pytest.Pytester
) -> None:
    fleet.never_answers()
    pytester.makeini("[pytest]\nexposed_allow = there: 80/tcp  # it is known")
    run_pytest(*options, "-x").stdout.no_fnmatch_line("*there*")


def test_only_it_has_a_container(fleet: Fleet, stage: Stage, run_pytest: Run) -> None:
    fleet.answers_after_the_others(
        then=lambda: stage.run("tcp:0.0.0.0:80", exposes=("80",)) is not None
    )
    result = run_pytest(f"--exposed-filter={stage.filter}", *fleet.hosts)
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.OK


def test_no_engine_has_a_container(fleet: Fleet, stage: Stage, run_pytest: Run) -> None:
    fleet.answers_after_the_others()
    result = run_pytest(f"--exposed-filter={stage.filter}", *fleet.hosts)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


class TestWhatChoosesTests:
    def test_by_a_word(self, fleet: Fleet, options: list[str], run_pytest: Run) -> None:
        fleet.answers_after(2)
        result = run_pytest(*options, "-k", "good")
        result.assert_outcomes(passed=3, deselected=3)

    def test_by_failures_that_are_enough(
        self, fleet: Fleet, options: list[str], run_pytest: Run
    ) -> None:
        fleet.answers_after(4)
        result = run_pytest(*options, "--maxfail=3")
        result.assert_outcomes(passed=2, failed=3)
        result.stdout.fnmatch_lines(["*! stopping after 3 failures !*"])

    def test_by_a_conftest(
        self, fleet: Fleet, options: list[str], run_pytest: Run, pytester: pytest.Pytester
    ) -> None:
        hook = "def pytest_collection_modifyitems(items):\n"
        hook += "    items[:] = [x for x in items if not x.name.endswith('drift')]\n"
        pytester.makeconftest(CONFTEST + hook)
        fleet.answers_after(2)
        result = run_pytest(*options)
        result.assert_outcomes(passed=3)

    @pytest.mark.parametrize("option", ["--collect-only", "--lf", "--ff", "--sw"])
    def test_where_all_must_be_known_first_all_are_waited_for(
        self, option: str, fleet: Fleet, options: list[str], run_pytest: Run
    ) -> None:
        fleet.answers_after_the_others()
        result = run_pytest(*options, option)
        result.stdout.fnmatch_lines(["collected 6 items*"])

    def test_and_where_there_are_other_tests(
        self, fleet: Fleet, options: list[str], run_pytest: Run, pytester: pytest.Pytester
    ) -> None:
        pytester.makepyfile("def test_each(running_container): pass")
        fleet.answers_after_the_others()
        result = run_pytest(*options, "test_and_where_there_are_other_tests.py")
        result.assert_outcomes(passed=9, failed=3)

    def test_and_where_one_is_named(
        self, fleet: Fleet, options: list[str], run_pytest: Run, stage: Stage
    ) -> None:
        result = run_pytest(*options, f"exposed[{fleet.late.url}]::{stage.name}-good")
        result.assert_outcomes(passed=1)


def test_an_interrupt_ends_the_waiting(fleet: Fleet, options: list[str], tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    fleet.never_answers()
    run = pytest_process(tmp_path, *options)
    wait_until(
        lambda: (tmp_path / "told").exists() and (tmp_path / "told").read_text().count("\n") == 4,
        "the tests of the others have run",
    )
    run.send_signal(signal.SIGINT)
    output, _ = run.communicate(timeout=20)
    assert run.returncode == pytest.ExitCode.INTERRUPTED, output
    assert "1 host not reached" in output
