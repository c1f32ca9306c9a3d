"""One of several engines never answers: the others are audited, and it is a failing test."""

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

if TYPE_CHECKING:
    from pathlib import Path

    from stage import Stage

Run = Callable[..., pytest.RunResult]


class Fleet:
    """Three ways to the engine, which are engines to an audit; the last never answers."""

    def __init__(self, relays: list[Relay]) -> None:
        self.relays = relays
        self.silent = relays[-1]
        self.silent.meddle = lambda _: self.silent.hold

    @property
    def hosts(self) -> list[str]:
        """The options that name them."""
        return [f"--docker-host={x.url}" for x in self.relays]


@pytest.fixture
def fleet(socket_url: str) -> Iterator[Fleet]:
    with ExitStack() as stack:
        yield Fleet([stack.enter_context(Relay(socket_url)) for _ in range(3)])


@pytest.fixture
def options(fleet: Fleet, stage: Stage) -> list[str]:
    """Audit a container that matches its image and one that doesn't, three times."""
    stage.run("tcp:0.0.0.0:80", name="good", exposes=("80",))
    stage.run("tcp:0.0.0.0:80", name="drift")
    return [f"--exposed-filter={stage.filter}", *fleet.hosts]


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CLIENT_TIMEOUT", "2")


@pytest.mark.usefixtures("_impatient")
class TestAfterTheTimeout:
    @pytest.mark.parametrize("workers", [(), ("-n2",)])
    def test_it_is_a_failing_test_after_those_of_the_others(
        self,
        workers: tuple[str, ...],
        fleet: Fleet,
        options: list[str],
        run_pytest: Run,
        pytester: pytest.Pytester,
    ) -> None:
        result = run_pytest(*options, *workers, "-v", "--exposed-report=r.json")
        result.assert_outcomes(passed=2, failed=3)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.fnmatch_lines(
            [
                f"exposed: {fleet.silent.url}, not reached",
                f"{fleet.silent.url}: no answer in time: *",
                "exposed: 4 containers on 3 hosts, 2 match, 2 do not (*), 1 host not reached",
            ]
        )
        if not workers:
            last = f"exposed[[]{shown(fleet.silent.url)}] FAILED *[[]100%]"
            result.stdout.fnmatch_lines(["collecting ... collected 5 items", last])
        hosts = json.loads((pytester.path / "r.json").read_text())["hosts"]
        assert [(len(x["containers"]), x["error"] is None) for x in hosts] == [
            (2, True),
            (2, True),
            (0, False),
        ]

    def test_a_run_that_stops_before_does_not_say_that_it_matches(
        self, options: list[str], run_pytest: Run
    ) -> None:
        result = run_pytest(*options, "-x")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.fnmatch_lines(["exposed: *, 1 host not reached"])

    def test_a_waiver_of_a_container_on_it_is_not_said_to_be_unused(
        self, options: list[str], run_pytest: Run, pytester: pytest.Pytester
    ) -> None:
        pytester.makeini("[pytest]\nexposed_allow = there: 80/tcp  # it is known")
        run_pytest(*options, "-x").stdout.no_fnmatch_line("*there*")


def test_an_interrupt_ends_the_waiting(fleet: Fleet, options: list[str], tmp_path: Path) -> None:
    run = pytest_process(tmp_path, *options)
    wait_until(lambda: fleet.silent.requests, "it is asked")
    run.send_signal(signal.SIGINT)
    output, _ = run.communicate(timeout=20)
    assert run.returncode == pytest.ExitCode.INTERRUPTED, output
