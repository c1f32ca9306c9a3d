"""Containers that don't run: how many there are, in the header, the summary and the JSON report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from stage import Stage, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage import Images, Staged

    Run = Callable[..., pytest.RunResult]


def ended(stage: Stage, name: str) -> Staged:
    """Return a container that was killed."""
    container = stage.run("tcp:0.0.0.0:80", name=name, exposes=("80",))
    container.sdk.kill()
    wait_until(lambda: container.state() == "exited", f"{name} has ended")
    return container


@pytest.fixture(scope="module")
def place(shared_stage: Stage) -> Stage:
    """A stage with a container that runs, one that was killed and one that never ran."""
    shared_stage.run("tcp:0.0.0.0:80", name="web", exposes=("80",))
    ended(shared_stage, "db")
    shared_stage.create("tcp:0.0.0.0:80", name="job")
    return shared_stage


@pytest.mark.parametrize("options", [(), ("-n2",)], ids=" ".join)
def test_they_are_counted_and_named(
    options: tuple[str, ...], audit: Run, place: Stage, pytester: pytest.Pytester
) -> None:
    result = audit(place, "--exposed-report=report.json", *options)
    result.assert_outcomes(passed=1)
    header = (
        f"*, 1 running container that matches {place.filter}, 2 that don't run: "
        f"{place.name}-db (exited 137), {place.name}-job (created)"
    )
    result.stdout.fnmatch_lines([header, "exposed: 1 container on 1 host, 1 match, 2 not running"])
    (host,) = json.loads((pytester.path / "report.json").read_text(encoding="utf-8"))["hosts"]
    assert [x["name"].removeprefix(f"{place.name}-") for x in host["containers"]] == ["web"]
    found = [(x["name"], x["state"], x["exit_code"]) for x in host["not_running"]]
    assert found == [
        (f"{place.name}-db", "exited", 137),
        (f"{place.name}-job", "created", None),
    ]
    keys = ["id", "name", "image", "state", "exit_code"]
    assert all(list(x) == keys for x in host["not_running"])


def test_without_a_header_they_are_named_below(audit: Run, place: Stage) -> None:
    result = audit(place, "-q")
    named = f"2 that don't run: {place.name}-db (exited 137), {place.name}-job (created)"
    result.stdout.fnmatch_lines(["exposed: *, 2 not running", f"exposed: {named}"])


def test_where_none_runs(audit: Run, place: Stage) -> None:
    result = audit(place, f"--exposed-filter=name={place.name}-db")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(
        [f"*, 0 running containers *, 1 that doesn't run: {place.name}-db (exited 137)"]
    )


@pytest.mark.parametrize("options", [(), ("-q",)], ids=" ".join)
def test_where_none_runs_beside_tests_that_pass(
    options: tuple[str, ...], audit: Run, place: Stage, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile("def test_own(): pass")
    result = audit(place, f"--exposed-filter=name={place.name}-db", ".", *options)
    result.assert_outcomes(passed=1)
    at = next(x for x, line in enumerate(result.outlines) if "so no container was audited" in line)
    header = f"name={place.name}-db, 1 that doesn't run: {place.name}-db (exited 137)"
    assert result.outlines[at - 1].endswith(header)


def test_one_whose_network_is_gone(audit: Run, stage: Stage) -> None:
    owner = stage.run("tcp:0.0.0.0:80", name="owner", exposes=("80",))
    for name in ("left", "stopped"):
        joiner = stage.run("tcp:0.0.0.0:81", name=name, network_mode=f"container:{owner.id}")
        joiner.sdk.kill()
        joiner.sdk.wait()
        if name == "stopped":
            assert "create it anew" not in str(audit(stage).stdout)
    owner.sdk.remove(force=True)
    gone = "exited 137, in the network of a container that was removed: create it anew"
    each = ", ".join(f"{stage.name}-{x} ({gone})" for x in ("left", "stopped"))
    audit(stage).stdout.fnmatch_lines([f"*, 2 that don't run: {each}"])


def test_a_filter_by_status(audit: Run, place: Stage) -> None:
    running = audit(place, "--exposed-filter=status=running")
    running.stdout.fnmatch_lines(["exposed: 1 container on 1 host, 1 match"])
    created = audit(place, "--exposed-filter=status=created")
    assert created.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    created.stdout.fnmatch_lines(["*, 1 that doesn't run: *-job (created)"])


def test_no_more_than_five_are_named(audit: Run, images: Images) -> None:
    with Stage(images) as stage:
        for number in range(7):
            stage.create("tcp:0.0.0.0:80", name=str(number))
        result = audit(stage)
    named = ", ".join(f"{stage.name}-{x} (created)" for x in range(5))
    result.stdout.fnmatch_lines([f"*, 7 that don't run: {named}, 2 more"])


def test_all_run(audit: Run, images: Images) -> None:
    with Stage(images) as stage:
        stage.run("tcp:0.0.0.0:80", exposes=("80",))
        result = audit(stage)
    assert "n't run" not in str(result.stdout)
    assert "not running" not in str(result.stdout)
