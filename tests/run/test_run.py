"""`--exposed-run`: a container is started, judged when it has settled, and removed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from refusal import refusal

if TYPE_CHECKING:
    from stage import Images, Stage

    Run = Callable[..., pytest.RunResult]


def test_a_container_that_matches(run: Run, images: Images) -> None:
    image = images.build(exposes=("80",))
    result = run(f"--exposed-run={image} tcp:0.0.0.0:80", "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "exposed: *, 1 container to start (it has 60 s to settle)",
            f"exposed::{image} PASSED*",
            f"{image}, seen by *",
            "80/tcp  yes *",
            "exposed: 1 container on 1 host, 1 match",
        ]
    )


def test_a_written_suite_has_those_that_last(
    run: Run, images: Images, stage: Stage, pytester: pytest.Pytester
) -> None:
    running = stage.run("tcp:0.0.0.0:80", exposes=("80",))
    image = images.build(exposes=("80",))
    given = ("--exposed", f"--exposed-filter={stage.filter}", "--exposed-write-tests=test_x.py")
    run(f"--exposed-run={image} tcp:0.0.0.0:80", *given).assert_outcomes(passed=2)
    text = (pytester.path / "test_x.py").read_text(encoding="utf-8")
    assert f'container_listens_on("{running.name}", "80/tcp", only=True)' in text
    assert text.count("def test_") == 1


def test_a_container_that_does_not(run: Run, images: Images) -> None:
    image = images.build(exposes=("80",))
    result = run(f"--exposed-run={image} tcp:0.0.0.0:80 tcp:0.0.0.0:9000")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            f"{image} does not match its image",
            "  undocumented  9000/tcp  listener (pid 1) listens on 0.0.0.0:9000, *",
            "*add to its Dockerfile: EXPOSE 9000/tcp",
            f"FAILED exposed::{image} - undocumented 9000/tcp",
        ]
    )


def test_it_waits_for_what_is_documented(run: Run, images: Images) -> None:
    image = images.build(exposes=("80",))
    result = run(f"--exposed-run={image} delay:14 tcp:0.0.0.0:80")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["exposed: waited * s for * to settle *"])
    assert result.duration > 14


def test_it_waits_for_what_is_published(run: Run, images: Images) -> None:
    image = images.build(exposes=("80",))
    line = f"--exposed-run=-p 127.0.0.1::81 {image} tcp:0.0.0.0:80 delay:4 tcp:0.0.0.0:81"
    result = run(line, "--exposed-ignore=published-undocumented,undocumented")
    result.assert_outcomes(passed=1)
    assert result.duration > 4


def test_it_does_not_wait_for_what_is_accepted(
    run: Run, images: Images, pytester: pytest.Pytester
) -> None:
    image = images.build(exposes=("80", "81"))
    pytester.makeini(f"[pytest]\nexposed_allow = {image}: silent 81\n")
    began = time.monotonic()
    run(f"--exposed-run={image} tcp:0.0.0.0:80").assert_outcomes(passed=1)
    assert time.monotonic() - began < 60


def test_a_wait_in_vain_is_told_of_one_that_passes(run: Run, images: Images) -> None:
    image = images.build()
    result = run(f"--exposed-run={image}", "--exposed-grace=1")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            f"exposed: {image}: it listened on nothing, and its image documents nothing: no *",
            "exposed: waited 1 s for * to settle (--exposed-grace)",
        ]
    )


def test_it_waits_until_nothing_changes(run: Run, images: Images) -> None:
    image = images.build(exposes=("80",))
    words = "tcp:0.0.0.0:80 delay:1.5 tcp:0.0.0.0:81 delay:1.5 tcp:0.0.0.0:82"
    result = run(f"--exposed-run={image} {words}")
    result.stdout.fnmatch_lines(["* - undocumented 81-82/tcp"])


def test_it_waits_for_its_health_check(run: Run, images: Images) -> None:
    image = images.with_shell(
        ("80",),
        ["HEALTHCHECK --interval=1s --retries=30 CMD /bin/cat /tmp/well"],
    )
    script = "mkdir -p /tmp; listener tcp:0.0.0.0:80 & sleep 4; echo >/tmp/well; sleep 1000"
    result = run(f"--exposed-run={image} '{script}'")
    result.assert_outcomes(passed=1)
    assert result.duration > 4


def test_a_health_check_that_never_succeeds(run: Run, images: Images) -> None:
    """It is judged when the grace is over, and the run says what it was."""
    check = 'HEALTHCHECK --interval=1s --retries=1 CMD ["/bin/sh", "-c", "echo no file; exit 1"]'
    image = images.with_shell(("80",), [check])
    line = f"--exposed-run={image} 'listener tcp:0.0.0.0:80'"
    reports = ("--exposed-report=ports.json", "--exposed-report=ports.md")
    result = run(line, "--exposed-grace=5", *reports)
    result.assert_outcomes(passed=1)
    note = "its health check has not succeeded: it is unhealthy (exit code 1: no file)"
    waited = "waited 5 s for * to settle (--exposed-grace)"
    result.stdout.fnmatch_lines([f"exposed: {image}: {note}", f"exposed: {waited}"])
    result.stdout.no_fnmatch_line("*its health check fails*")
    (host,) = json.loads(Path("ports.json").read_text(encoding="utf-8"))["hosts"]
    assert host["containers"][0]["notes"] == [note]
    assert f"- {image}: {note}" in Path("ports.md").read_text(encoding="utf-8").splitlines()


def test_a_grace_that_ends(run: Run, images: Images) -> None:
    image = images.build(exposes=("80",))
    result = run(f"--exposed-run={image}", "--exposed-grace=1")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "exposed: *, 1 container to start (it has 1 s to settle)",
            f"  silent  80/tcp  {image} documents it, and nothing in the container listens on it*",
            "exposed: waited 1 s for * to settle (--exposed-grace)",
            f"FAILED exposed::{image} - silent 80/tcp",
        ]
    )
    result.stdout.no_fnmatch_line("*less than a minute*")


@pytest.mark.parametrize("code", [0, 3])
def test_a_container_that_ends(run: Run, images: Images, code: int) -> None:
    image = images.with_shell(("80",))
    began = time.monotonic()
    result = run(f"--exposed-run={image} 'echo no such database; exit {code}'")
    assert time.monotonic() - began < 30
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            f"{image} has exited with code {code}; the last lines of its log:",
            "  no such database",
            f"FAILED exposed::{image} - {image} has exited with code {code}",
        ]
    )


def test_one_that_restarts_again_and_again(run: Run, images: Images) -> None:
    image = images.with_shell(("80",))
    line = f"--exposed-run=--restart always {image} 'sleep 0.1; exit 3'"
    result = run(line, "--exposed-grace=3")
    result.assert_outcomes(failed=1)
    # It is looked at between two of its lives, or in one.
    result.stdout.re_match_lines([rf"{image} (is restarting: .* code 3|ended and was started)"])


@pytest.mark.parametrize("options", ["--exposed-ignore=silent", "--exposed-select=cis"])
def test_a_silent_port_that_no_rule_judges(options: str, run: Run, images: Images) -> None:
    """It is not waited for."""
    image = images.build(exposes=("80", "443"))
    began = time.monotonic()
    result = run(f"--exposed-run={image} tcp:0.0.0.0:80", "--exposed-grace=600", options)
    assert time.monotonic() - began < 300
    result.assert_outcomes(passed=1)


def test_one_that_listens_between_its_restarts(run: Run, images: Images) -> None:
    """Its listeners are the same in each life, and it settles in none."""
    image = images.with_shell(("80",))
    line = f"--exposed-run=--restart always {image} 'echo up; listener tcp:0.0.0.0:80 & sleep 1'"
    result = run(line, "--exposed-grace=8")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"{image} *restart* the last lines of its log:", "  up"])


def test_one_that_settles_after_a_restart(run: Run, images: Images) -> None:
    image = images.with_shell(("80",))
    script = "test -e /tmp || { mkdir /tmp; exit 1; }; listener tcp:0.0.0.0:80"
    line = f"--exposed-run=--restart on-failure {image} '{script}'"
    run(line, "--exposed-grace=30").assert_outcomes(passed=1)


def test_one_that_is_restarted_while_it_is_watched(run: Run, images: Images) -> None:
    image = images.with_shell(("80",))
    line = f"--exposed-run=--restart always {image} 'listener tcp:0.0.0.0:80 & sleep 5'"
    result = run(line, "--exposed-watch=6")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"{image} *restart*"])


def test_one_that_no_source_sees(run: Run, images: Images) -> None:
    """It is not waited for until the grace is over."""
    image = images.build(exposes=("80",))
    line = f"--exposed-run={image} tcp:0.0.0.0:80"
    began = time.monotonic()
    result = run(line, "--exposed-source=exec", "--exposed-grace=600")
    assert time.monotonic() - began < 300
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["exec: there is no cat in the image"])


def test_a_failure_of_a_plugins(run: Run, images: Images, pytester: pytest.Pytester) -> None:
    """One that interrupts a test, as pytest-timeout does, has a text and no traceback of ours."""
    pytester.makeconftest(
        """
        import pytest, signal

        def ring(number, frame):
            pytest.fail("Timeout (>3.0s)")

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_call(item):
            signal.signal(signal.SIGALRM, ring)
            signal.alarm(3)
            try:
                return (yield)
            finally:
                signal.alarm(0)
        """
    )
    image = images.build(exposes=("80",))
    result = run(f"--exposed-run={image}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"FAILED exposed::{image} - Timeout (>3.0s)"])
    assert len(result.outlines) < 40


def test_listeners_that_come_and_go(run: Run, images: Images) -> None:
    """It never settles, and the run says so."""
    image = images.with_shell(("80",))
    flicker = "while true; do listener tcp:0.0.0.0:81 & P=$!; sleep 1; kill $P; sleep 1; done"
    result = run(
        f"--exposed-run={image} 'listener tcp:0.0.0.0:80 & {flicker}'", "--exposed-grace=6"
    )
    line = f"exposed: {image}: its listeners have not stayed the same for two seconds"
    result.stdout.fnmatch_lines([line])


def test_one_that_removes_itself(run: Run, images: Images) -> None:
    image = images.with_shell(("80",))
    result = run(f"--exposed-run=--rm {image} 'exit 3'")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"{image} has ended and was removed: leave out --rm, *"])


def test_what_the_docker_command_says(run: Run, images: Images) -> None:
    image = images.build()
    result = run(
        f"--exposed-run=--no-such-option {image}",
        f"--exposed-run=-p 80:x {image}",
        "--exposed-run=localhost:1/no-such-image",
        f"--exposed-run=--help {image}",
    )
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(
        [
            f"{image} could not be started: unknown flag: --no-such-option",
            f"{image} could not be started: invalid containerPort: x",
            "localhost:1/no-such-image could not be started: *localhost:1*",
            f"{image} could not be started: * no container's id, but 'Usage: *docker run *",
        ]
    )


def test_options_behind_the_image(run: Run, images: Images) -> None:
    image = images.build()
    result = run(f"--exposed-run=--entrypoint= {image} -p 80:80")
    result.assert_outcomes(failed=1)
    said = "options of docker run stand before the image, -p among them"
    result.stdout.fnmatch_lines([f"{image} could not be started: {said}; *executable file*"])


@pytest.mark.parametrize("line", ["{} --exposed-grace=5", "--exposed-grace=5 {}"])
def test_an_option_of_pytest_among_docker_s(run: Run, images: Images, line: str) -> None:
    image = images.build()
    result = run(f"--exposed-run=--entrypoint= {line.format(image)}")
    result.assert_outcomes(failed=1)
    said = "--exposed-grace is an option of pytest: write it outside of these quotes"
    result.stdout.fnmatch_lines([f"{image} could not be started: {said}; *"])


@pytest.mark.parametrize("flag", ["--netwrok", "-n"])
def test_an_unknown_option_is_no_missing_image(run: Run, flag: str) -> None:
    result = run(f"--exposed-run={flag} host nginx")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["host could not be started: unknown *flag: *"])


def test_what_can_not_run_is_removed(run: Run, images: Images) -> None:
    image = images.build()
    result = run(f"--exposed-run=--entrypoint /no/such {image}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"{image} could not be started: *no such file*"])


def test_two_of_one_image(run: Run, images: Images) -> None:
    image = images.build(exposes=("80",))
    lines = [f"--exposed-run={image} tcp:0.0.0.0:{x}" for x in (80, 81)]
    result = run(*lines, "--exposed-grace=1", "-v")
    result.stdout.fnmatch_lines([f"exposed::{image} PASSED*", f"exposed::{image}#2 FAILED*"])


def test_options_of_docker_run(run: Run, images: Images) -> None:
    image = images.with_shell(("80", "81"))
    script = "listener tcp:0.0.0.0:$ONE & listener tcp:0.0.0.0:81 & sleep 1000"
    result = run(
        f"--exposed-run=-e ONE=80 -p 127.0.0.1::81 --name other-{images.run} {image} '{script}'",
        "-v",
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["81/tcp  yes         127.0.0.1:*"])


def test_the_setting_joins_the_suite(run: Run, images: Images, pytester: pytest.Pytester) -> None:
    image = images.build(exposes=("80",))
    pytester.makeini(
        f"[pytest]\nexposed_run =\n  {image} tcp:0.0.0.0:80\n  {image} 'tcp:[::]:80'\n"
    )
    pytester.makepyfile("def test_it(): pass")
    run().assert_outcomes(passed=3)


def test_with_the_running_ones(run: Run, images: Images, stage: Stage) -> None:
    image = images.build(exposes=("80",))
    running = stage.run("tcp:0.0.0.0:80", exposes=("80",))
    line = f"--exposed-run={image} tcp:0.0.0.0:80"
    result = run("--exposed", "--exposed-filter", stage.filter, line, "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "exposed: *, 1 running container that matches *, 1 container to start (*)",
            f"exposed::{running.name} PASSED*",
            f"exposed::{image} PASSED*",
        ]
    )


def test_alone_it_judges_no_other(run: Run, images: Images, stage: Stage) -> None:
    stage.run("tcp:0.0.0.0:81")
    image = images.build(exposes=("80",))
    run(f"--exposed-run={image} tcp:0.0.0.0:80").assert_outcomes(passed=1)


def test_chosen_by_name_and_by_id(run: Run, images: Images) -> None:
    one, two = images.build(exposes=("80",)), images.build(exposes=("81",))
    lines = [f"--exposed-run={one} tcp:0.0.0.0:80", f"--exposed-run={two} tcp:0.0.0.0:81"]
    run(*lines, "-k", f"not {two}").assert_outcomes(passed=1, deselected=1)
    run(*lines, f"exposed::{two}").assert_outcomes(passed=1)


def test_only_what_failed_last(run: Run, images: Images) -> None:
    image = images.build(exposes=("80",))
    lines = [f"--exposed-run={image} tcp:0.0.0.0:80 {x}" for x in ("", "tcp:0.0.0.0:9000")]
    run(*lines).assert_outcomes(passed=1, failed=1)
    result = run(*lines, "--lf", "-v")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"exposed::{image}#2 FAILED*"])


def test_nothing_is_started_to_list_the_tests(run: Run, images: Images) -> None:
    image = images.build(exposes=("80",))
    result = run(f"--exposed-run={image}", "--collect-only", "-q")
    result.stdout.fnmatch_lines([f"exposed::{image}", "1 test collected*"])


def test_side_by_side(run: Run, images: Images) -> None:
    image = images.build(exposes=("80",))
    lines = [f"--exposed-run={image} tcp:0.0.0.0:80 {x}" for x in ("", "", "tcp:0.0.0.0:9000")]
    result = run(*lines, "-n2")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["exposed: 3 containers on 1 host, 2 match, 1 do not *"])


@pytest.mark.parametrize("configured", ["exposed = true", "addopts = --exposed"])
def test_typed_alone_it_is_alone_whatever_is_configured(
    configured: str, run: Run, images: Images, stage: Stage, pytester: pytest.Pytester
) -> None:
    stage.run("tcp:0.0.0.0:80")
    image = images.build(exposes=("80",))
    filters = f"exposed_filter = {stage.filter}"
    pytester.makeini(f"[pytest]\n{configured}\n{filters}\n")
    line = f"--exposed-run={image} tcp:0.0.0.0:80"
    run(line).assert_outcomes(passed=1)
    run(line, "-n1").assert_outcomes(passed=1)
    run(line, "--exposed").assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize("given", [(), ("-n2",), ("--exposed",)])
def test_tests_of_running_containers_beside_it(
    given: tuple[str, ...], run: Run, images: Images, stage: Stage, pytester: pytest.Pytester
) -> None:
    """Whatever the audit looks at, the fixture lists what runs."""
    running = stage.run("tcp:0.0.0.0:80", exposes=("80",))
    image = images.build(exposes=("80",))
    pytester.makeini(f"[pytest]\nexposed_run = {image} tcp:0.0.0.0:80\n")
    pytester.makepyfile("def test_each(running_container): pass")
    chosen = f"--exposed-filter={stage.filter}"
    result = run(chosen, *given, "-v", ".")
    result.assert_outcomes(passed=3 if "--exposed" in given else 2)
    result.stdout.fnmatch_lines([f"*test_each[[]{running.name}]*"])
    result = run(chosen, *given, f"exposed::{running.name}")
    if "--exposed" in given:
        result.assert_outcomes(passed=1)
    else:
        result.stderr.fnmatch_lines([f"*{running.name} is no image of --exposed-run: add *"])


def test_the_first_failure_ends_the_run(run: Run, images: Images, tmp_path: Path) -> None:
    image = images.build(exposes=("80",))
    lines = [f"--exposed-run={image} tcp:0.0.0.0:81 tcp:0.0.0.0:80"] * 2
    report = tmp_path / "report.json"
    result = run(*lines, "-x", f"--exposed-report={report}")
    result.assert_outcomes(failed=1)
    errors = [x["error"] for x in json.loads(report.read_text())["hosts"][0]["containers"]]
    assert sorted(errors, key=str) == [None, "its test did not finish"]


def test_reports(run: Run, images: Images, tmp_path: Path, stage: Stage) -> None:
    stage.run("tcp:0.0.0.0:80", exposes=("80",))
    image = images.build(exposes=("80",))
    files = [tmp_path / f"report.{x}" for x in ("json", "html", "md", "sarif")]
    result = run(
        *(f"--exposed-report={x}" for x in files),
        *("--exposed", "--exposed-filter", stage.filter, f"--junitxml={tmp_path / 'junit.xml'}"),
        f"--exposed-run=-e SECRET=hunter2 {image} tcp:0.0.0.0:80 tcp:0.0.0.0:9000",
        f"--exposed-run={image} exit:3",
    )
    result.assert_outcomes(passed=1, failed=2)
    records = json.loads(files[0].read_text())["hosts"][0]["containers"]
    assert [x.get("started_by_run", False) for x in records].count(True) == 2
    assert {x["name"] for x in records if x.get("started_by_run")} == {image, f"{image}#2"}
    found = [y["rule"] for x in records for y in x["findings"] or ()]
    assert found == ["undocumented"]
    for file in files:
        assert image in file.read_text()
        assert "hunter2" not in file.read_text()
    cases = ET.parse(tmp_path / "junit.xml").getroot().iter("testcase")
    assert {x.get("name") for x in cases} >= {image, f"{image}#2"}
    assert "hunter2" not in str(result.outlines)


def test_accepted_by_the_name_of_the_image(
    run: Run, images: Images, pytester: pytest.Pytester, tmp_path: Path
) -> None:
    image = images.build(exposes=("80",))
    line = f"--exposed-run={image} tcp:0.0.0.0:80 tcp:0.0.0.0:9000"
    baseline = tmp_path / "baseline"
    run(line, f"--exposed-write-baseline={baseline}").assert_outcomes(failed=1)
    assert baseline.read_text().splitlines()[1:] == [f"{image}: undocumented 9000/tcp"]
    run(line, f"--exposed-baseline={baseline}").assert_outcomes(passed=1)
    pytester.makeini(f"[pytest]\nexposed_allow =\n  {image}: undocumented 9000  # debug\n")
    run(line).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--exposed-run='x",),
            "--exposed-run, exposed_run: a line can't be split as a shell does",
        ),
        (("--exposed-run=-e A=b",), "--exposed-run, exposed_run: no image is named"),
        (("--exposed-run=docker run x",), "--exposed-run, exposed_run: leave out `docker run`"),
        (("--exposed-run=webapp:",), "--exposed-run, exposed_run: 'webapp:' is no image: is a va"),
        (("--exposed-run=/webapp",), "--exposed-run, exposed_run: '/webapp' is no image: is a va"),
        (("--exposed-run=x  # why",), "--exposed-run, exposed_run: a word begins with #"),
        (
            ("--exposed-run=x", "--docker-host=ansible://web"),
            "--exposed-run, exposed_run: ansible://web is a list of engines, and an image runs",
        ),
        (
            ("--exposed-run=x", "--docker-host=swarm://manager"),
            "--exposed-run, exposed_run: swarm://manager is a list of engines, and an image runs",
        ),
        (
            ("--exposed-run=x", "--exposed-write-tests=test_x.py"),
            "--exposed-write-tests writes assertions of running containers, and none",
        ),
    ],
)
def test_bad_lines(run: Run, options: tuple[str, ...], message: str) -> None:
    assert refusal(run(*options)).startswith(message)


def test_no_docker_command(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusal(run("--exposed-run=x")).startswith("--exposed-run needs the docker command")
