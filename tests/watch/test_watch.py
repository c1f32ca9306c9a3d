"""`--exposed-watch` and `during=`: what comes late, and what goes again."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from refusal import refusal
from stage import wait_until

from pytest_exposed import ConfigurationError, container_listens_on
from pytest_exposed.observation.watch import Watch

if TYPE_CHECKING:
    import docker
    from stage import Images, Stage, Staged

    from pytest_exposed import Container, Engine

Run = Callable[..., pytest.RunResult]

PASSING = "sleep 6; listener tcp:0.0.0.0:9000 & P=$!; sleep 4; kill $P; sleep 1000"
"""A shell's words: a listener that is there from 6 s to 10 s."""

NOW_AND_THEN = "while true; do sleep 1; listener tcp:0.0.0.0:9000 & P=$!; sleep 1; kill $P; done"
"""A listener that is there every other second."""


@pytest.fixture
def run(pytester: pytest.Pytester, engine_url: str, stage: Stage) -> Run:
    """Audit the stage."""

    def run(*arguments: str) -> pytest.RunResult:
        given = ("--docker-host", engine_url, "--exposed-grace=0")
        chosen = ("--exposed", "--exposed-filter", stage.filter)
        result = pytester.runpytest(*given, *chosen, *arguments)
        for line in (*result.outlines, *result.errlines):
            assert "Traceback (most recent" not in line
            assert "INTERNALERROR" not in line
        return result

    return run


def begin(stage: Stage, script: str, name: str = "app", **options: object) -> Staged:
    """Start a container that runs a script beside its documented server."""
    options = {"exposes": ("80",), "name": name, **options}
    container = stage.script(f"listener tcp:0.0.0.0:80 ready & {script}", **options)
    container.wait_for("ready")
    return container


def test_a_listener_that_goes_again(run: Run, stage: Stage) -> None:
    begin(stage, "sleep 1000", "quiet")
    begin(stage, PASSING)
    run().assert_outcomes(passed=2)
    result = run("--exposed-watch=12", "-v")
    result.assert_outcomes(passed=1, failed=1)
    moments = r"from \d\.\d s to \d+\.\d s"
    undocumented = (
        r"  undocumented  9000/tcp  listener \(pid \d+\) listens on 0.0.0.0:9000, and .* "
    )
    result.stdout.re_match_lines(
        [
            rf"{undocumented}does not EXPOSE it \(seen {moments}\)",
            rf"9000/tcp  -  .* 0.0.0.0:9000 \({moments}\)  listener \(pid \d+\)",
        ]
    )


def test_a_listener_that_comes_late(run: Run, stage: Stage) -> None:
    begin(stage, "sleep 3; listener tcp:0.0.0.0:9000")
    result = run("--exposed-watch=5")
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines([r"  undocumented  9000/tcp  .* \(seen from \d\.\d s on\)"])


def test_a_documented_port_listens_at_the_end(run: Run, stage: Stage) -> None:
    container = stage.script(
        "listener tcp:0.0.0.0:80 ready & P=$!; sleep 6; kill $P; sleep 1000", exposes=("80",)
    )
    container.wait_for("ready")
    result = run("--exposed-watch=8")
    result.assert_outcomes(failed=1)
    moments = r"from 0\.\d s to \d\.\d s"
    result.stdout.re_match_lines(
        [
            rf"  silent  80/tcp  .* \(seen {moments}\)",
            rf"80/tcp  yes  +-  +0\.0\.0\.0:80 \({moments}\)",
        ]
    )


def test_other_rules_judge_a_documented_port_that_is_gone(run: Run, stage: Stage) -> None:
    begin(
        stage, "listener tcp:0.0.0.0:22 & P=$!; sleep 6; kill $P; sleep 1000", exposes=("22", "80")
    )
    result = run("--exposed-watch=8", "--exposed-select=cis")
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines([r"  ssh  22/tcp  .* \(seen from \d\.\d s to \d\.\d s\)"])


def test_what_is_there_all_the_time_says_nothing_of_it(run: Run, stage: Stage) -> None:
    begin(stage, "listener tcp:0.0.0.0:9000")
    result = run("--exposed-watch=2")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*seen from*")


def test_a_container_that_restarts_is_followed(run: Run, stage: Stage) -> None:
    """It opens its port in its second life, for two seconds."""
    script = (
        "if test -e /tmp/second; then listener tcp:0.0.0.0:9000 & P=$!; sleep 2; kill $P; "
        "sleep 1000; fi; mkdir -p /tmp; echo >/tmp/second; sleep 2; exit 1"
    )
    begin(stage, script, restart_policy={"Name": "always"})
    result = run("--exposed-watch=7")
    result.stdout.re_match_lines([r"  undocumented  9000/tcp  .* \(seen from \d\.\d s to \d\.\d s"])


def test_a_crash_loop_is_said(run: Run, stage: Stage) -> None:
    """Its port is served at the end, as at the beginning."""
    policy = {"Name": "always"}
    begin(stage, "sleep 4; exit 3", restart_policy=policy)
    result = run("--exposed-watch=7")
    result.stdout.re_match_lines(
        [r"exposed: \S+: it was restarted while it was watched: \d restarts? so far"]
    )


def test_a_container_that_is_removed(run: Run, stage: Stage) -> None:
    """What was wrong with it until then is wrong; one of which nothing was wrong is skipped."""
    wrong = begin(stage, "listener tcp:0.0.0.0:9000", "wrong")
    right = begin(stage, "sleep 1000", "right")
    later = threading.Timer(3, lambda: [x.sdk.remove(force=True) for x in (wrong, right)])
    later.start()
    try:
        result = run("--exposed-watch=6")
    finally:
        later.join()
    result.assert_outcomes(failed=1, skipped=1)
    result.stdout.re_match_lines(
        [r"  undocumented  9000/tcp  .* \(seen from \d\.\d s to \d\.\d s\)"]
    )
    result.stdout.no_fnmatch_line("*less than twice a second*")


def test_it_is_in_the_reports(run: Run, stage: Stage, tmp_path: Path) -> None:
    begin(stage, PASSING)
    report = tmp_path / "report.json"
    run("--exposed-watch=12", f"--exposed-report={report}").assert_outcomes(failed=1)
    (container,) = json.loads(report.read_text())["hosts"][0]["containers"]
    (listener,) = (x for x in container["listeners"] if x["port"] == "9000/tcp")
    assert listener["seen"].startswith("from ")
    assert listener["process"] == "listener"
    assert {x["process"] for x in container["listeners"]} == {"listener"}


def test_a_waiver_accepts_it(run: Run, stage: Stage, pytester: pytest.Pytester) -> None:
    begin(stage, NOW_AND_THEN)
    pytester.makeini("[pytest]\nexposed_allow =\n  *: undocumented 9000  # debug\n")
    run("--exposed-watch=5").assert_outcomes(passed=1)


def test_there_is_one_helper(
    run: Run, stage: Stage, images: Images, client: docker.DockerClient
) -> None:
    begin(stage, NOW_AND_THEN)
    image = images.with_shell()
    began = int(time.time())
    options = ("--exposed-source=helper", f"--exposed-helper-image={image}")
    run("--exposed-watch=5", *options).assert_outcomes(failed=1)
    made = client.events(
        since=began,
        until=int(time.time()) + 1,
        decode=True,
        filters={"event": "create", "label": "pytest-exposed.helper", "image": image},
    )
    assert len([*made]) == 1


def test_side_by_side(run: Run, stage: Stage) -> None:
    begin(stage, NOW_AND_THEN)
    begin(stage, "sleep 1000", "quiet")
    run("--exposed-watch=5", "-n2").assert_outcomes(passed=1, failed=1)


def test_a_container_that_the_run_starts(
    images: Images, engine_url: str, pytester: pytest.Pytester
) -> None:
    image = images.with_shell(("80",))
    script = f"listener tcp:0.0.0.0:80 & {PASSING}"
    line = f"--exposed-run={image} '{script}'"
    given = ("--docker-host", engine_url, line)
    pytester.runpytest(*given).assert_outcomes(passed=1)
    result = pytester.runpytest(*given, "--exposed-watch=9")
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines([r"  undocumented  9000/tcp  .* \(seen from \d\.\d s to"])


@pytest.mark.parametrize("value", ["-1", "soon", "100000"])
def test_a_wrong_number(run: Run, value: str) -> None:
    assert refusal(run(f"--exposed-watch={value}")).endswith(
        f"{value!r} is not a number of seconds from 0 to 86400"
    )


def test_only_of_an_audit(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    assert "--exposed-watch" in refusal(pytester.runpytest("--exposed-watch=5"))


def test_the_setting(run: Run, stage: Stage, pytester: pytest.Pytester) -> None:
    begin(stage, NOW_AND_THEN)
    pytester.makeini("[pytest]\nexposed_watch = 5\n")
    run().assert_outcomes(failed=1)


def test_during(engine: Engine, stage: Stage) -> None:
    container = begin(stage, PASSING)
    assert container_listens_on(engine, container.name, 80, only=True)
    check = container_listens_on(engine, container.name, 80, only=True, during=10)
    assert not check
    assert "listened on 9000/tcp after " in str(check)
    assert "listener (pid " in str(check)


def test_during_of_a_quiet_container(engine: Engine, stage: Stage) -> None:
    container = begin(stage, "sleep 1000")
    began = time.monotonic()
    assert container_listens_on(engine, container.name, 80, only=True, during=2)
    assert time.monotonic() - began >= 2


def test_during_a_port_that_goes(engine: Engine, stage: Stage) -> None:
    container = stage.script("listener tcp:0.0.0.0:80 ready & P=$!; sleep 2; kill $P; sleep 1000")
    container.wait_for("ready")
    wait_until(lambda: engine.container(container.name).listening, "it listens")
    assert not container_listens_on(engine, container.name, 80, only=True, during=4)


def test_during_without_only(engine: Engine, stage: Stage) -> None:
    with pytest.raises(ConfigurationError, match="needs only=True"):
        container_listens_on(engine, stage.run().name, 80, during=4)


@pytest.mark.parametrize(("looks", "found"), [(1, set()), (2, {"dynamic"})])
def test_a_port_that_a_tool_opens_for_a_moment(
    engine: Engine, stage: Stage, looks: int, found: set[str]
) -> None:
    tool = "listener tcp:0.0.0.0:40000 & P=$!; trap 'kill $P; echo gone' USR1; "
    container = begin(stage, f"{tool} while true; do sleep 0.05; done")
    wait_until(lambda: 40000 in engine.container(container.name).listening, "it is there")
    watch = Watch(engine.observer)
    for moment in range(looks):
        watch.note(look(engine, container), watch.began + moment)
    container.sdk.kill("USR1")
    container.wait_for("gone")
    wait_until(lambda: 40000 not in engine.container(container.name).listening, "it is gone")
    answer = watch.merged(look(engine, container)[container.id])
    assert "40000/tcp" in answer.listening
    assert {x.rule for x in answer.findings} == found


def look(engine: Engine, container: Staged) -> dict[str, Container]:
    """Return what one look sees of a container."""
    everyone = engine.observer.running()
    listed = [x for x in everyone if x.id == container.id]
    return engine.observer.observe(listed, everyone, owners=True)
