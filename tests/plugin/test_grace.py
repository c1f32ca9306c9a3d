"""`--exposed-grace`: how long after its start a container may take to match."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from refusal import refusal
from stage import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage import Stage, Staged

    Run = Callable[..., pytest.RunResult]


def start(stage: Stage, delay: float, name: str = "app") -> None:
    """Start a container whose documented listener opens after delay seconds."""
    container = stage.create(f"delay:{delay}", "tcp:0.0.0.0:80", name=name, exposes=("80",))
    container.sdk.start()


@pytest.fixture
def run(run_on_engine: Run, stage: Stage) -> Run:
    """Run an audit of the stage with the grace of the options or settings."""
    return lambda *options: run_on_engine("--exposed", "--exposed-filter", stage.filter, *options)


def test_the_default_waits(run: Run, stage: Stage) -> None:
    start(stage, 1.5)
    run().assert_outcomes(passed=1)


def test_none_does_not(run: Run, stage: Stage) -> None:
    start(stage, 60)
    result = run("--exposed-grace=0")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  silent  80/tcp  *"])
    assert result.duration < 5


def test_the_option(run: Run, stage: Stage) -> None:
    start(stage, 1.5)
    result = run("--exposed-grace", "30.5")
    result.assert_outcomes(passed=1)
    assert result.duration < 25  # it ends when the container matches


def test_the_setting(run: Run, stage: Stage, pytester: pytest.Pytester) -> None:
    start(stage, 60)
    pytester.makeini("[pytest]\nexposed_grace = 0\n")
    result = run()
    result.assert_outcomes(failed=1)
    assert result.duration < 5


def test_what_could_not_be_observed_is_waited_for_too(run: Run, stage: Stage) -> None:
    """A container that is between two starts now, and matches in a moment."""
    container = stage.script(
        "if [ ! -e /tried ]; then mkdir /tried; echo ready; exit 1; fi; listener tcp:0.0.0.0:80",
        exposes=("80",),
        restart_policy={"Name": "always"},
    )
    assert container.id
    run("--exposed-grace=15").assert_outcomes(passed=1)


def test_one_whose_grace_passes_while_another_is_waited_for_is_looked_at_once_more(
    run: Run, stage: Stage
) -> None:
    start(stage, 2, "slow")
    time.sleep(0.5)
    start(stage, 60, "never")  # its test comes first, and its grace ends later
    run("--exposed-grace=4").assert_outcomes(passed=1, failed=1)


def test_all_that_take_their_grace_are_named(run: Run, stage: Stage) -> None:
    for name in ("one", "two"):  # the second is waited for while the first is
        stage.run("ready", name=name, exposes=("80",))
    stage.run("tcp:0.0.0.0:80", name="well", exposes=("80",))
    result = run("--exposed-grace=3")
    result.assert_outcomes(passed=1, failed=2)
    (said,) = [x for x in result.outlines if x.startswith("exposed: waited ")]
    assert f"{stage.name}-one" in said
    assert f"{stage.name}-two" in said
    assert f"{stage.name}-well" not in said  # a moment at the most


def test_those_whose_health_checks_are_starting_are_waited_for_together(
    run: Run, stage: Stage
) -> None:
    check = {"test": ["CMD", "/bin/listener", "exit:1"], "interval": 60 * 10**9}
    for name in ("one", "two", "three"):
        stage.run(name=name, exposes=("80",), healthcheck=check)
    result = run("--exposed-grace=3")
    result.assert_outcomes(failed=3)
    assert result.duration < 8


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf", "1e9", "1 s"])
def test_what_is_no_grace(text: str, run: Run) -> None:
    said = refusal(run(f"--exposed-grace={text}"))
    assert said == (
        f"--exposed-grace, exposed_grace: {text!r} is not a number of seconds from 0 to 86400"
    )


# A container that matches, and may not in a moment


def test_one_that_listens_on_nothing_yet_is_no_match_yet(run: Run, stage: Stage) -> None:
    """An image without EXPOSE: it matches as long as its server has not begun."""
    container = stage.create("delay:1.5", "tcp:0.0.0.0:80")
    container.sdk.start()
    result = run("--exposed-grace=5")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  undocumented  80/tcp  *"])


def test_one_that_goes_on_opening_ports_is_no_match_yet(run: Run, stage: Stage) -> None:
    container = stage.create("tcp:0.0.0.0:80", "delay:1.5", "tcp:0.0.0.0:81", exposes=("80",))
    container.sdk.start()
    result = run("--exposed-grace=5")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  undocumented  81/tcp  *"])


def test_one_that_listens_on_nothing_matches_when_its_grace_is_over(run: Run, stage: Stage) -> None:
    began = time.monotonic()
    stage.create().sdk.start()
    result = run("--exposed-grace=3")
    result.assert_outcomes(passed=1)
    assert time.monotonic() - began >= 3
    result.stdout.fnmatch_lines(["exposed: waited * s for * to settle *"])
    assert "within the grace" not in result.stdout.str()  # nothing is young any more


def test_one_that_has_settled_matches_before_and_is_counted(run: Run, stage: Stage) -> None:
    for name in ("one", "two"):
        stage.run("tcp:0.0.0.0:80", name=name, exposes=("80",))
    result = run("--exposed-grace=60")
    result.assert_outcomes(passed=2)
    assert result.duration < 20
    one, two = (f"{stage.name}-{x}" for x in ("one", "two"))
    said = f"exposed: {one}, {two} had just started when judged: a port that opens later was not *"
    result.stdout.fnmatch_lines([said])


@pytest.mark.parametrize("rules", ["published-everywhere", "host-network,published-privileged"])
def test_what_no_waiting_changes_is_not_waited_for(run: Run, stage: Stage, rules: str) -> None:
    stage.run("tcp:0.0.0.0:80", ports={"80/tcp": None})
    result = run("--exposed-grace=600", f"--exposed-select={rules}")
    result.assert_outcomes(failed=rules == "published-everywhere", passed="," in rules)
    assert result.duration < 20
    assert "ports that open later" not in result.stdout.str()


def test_a_paused_container_is_not_waited_for(run: Run, stage: Stage) -> None:
    container = stage.run("tcp:0.0.0.0:80", exposes=("80",))
    container.sdk.pause()
    result = run("--exposed-grace=600")
    result.assert_outcomes(passed=1)
    assert result.duration < 20


def test_what_is_silent_says_how_young_its_container_is(run: Run, stage: Stage) -> None:
    start(stage, 60)
    result = run("--exposed-grace=0")
    result.stdout.fnmatch_lines(
        [f"  silent  80/tcp  *listens on it*; {stage.name}-app has been up for less than a minute"]
    )


LIVES = {"restart_policy": {"Name": "always"}}


def test_one_that_ends_again_and_again(run: Run, stage: Stage) -> None:
    """It listens as its image says, for long enough to have settled, and ends."""
    script = "echo ready; listener tcp:0.0.0.0:80 & sleep 3; echo oh no; exit 2"
    container = stage.script(script, exposes=("80",), **LIVES)
    wait_until(lambda: restarts(container), "it has been restarted")
    result = run("--exposed-grace=6")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*-app *restart*the last lines of its log:", "  oh no"])


def test_one_that_is_first_met_between_two_lives(run: Run, stage: Stage) -> None:
    """The grace counts from the life that is to come, not from the one that is over."""
    # Docker waits twice as long before each next start: after four ends, long enough for a look.
    script = "echo ready; echo x >> /ends; listener tcp:0.0.0.0:80 &"
    script += " test $(wc -l < /ends) -lt 5 || sleep 4; exit 2"
    container = stage.script(script, exposes=("80",), **LIVES)
    wait_until(lambda: restarts(container) == 5 and is_between(container), "its fifth end")
    result = run("--exposed-grace=6")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*-app *restart*"])


def test_one_that_has_ended_and_then_stays(run: Run, stage: Stage) -> None:
    script = "test -e /tried && exec listener tcp:0.0.0.0:80; mkdir /tried; echo ready; sleep 1"
    container = stage.script(script, exposes=("80",), **LIVES)
    wait_until(lambda: restarts(container) == 1, "it has been restarted")
    result = run("--exposed-grace=6")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["exposed: waited [456] s for * to settle *"])


def is_between(container: Staged) -> bool:
    return bool(container.sdk.attrs["State"]["Restarting"])


def restarts(container: Staged) -> int:
    container.sdk.reload()
    return int(container.sdk.attrs["RestartCount"])
