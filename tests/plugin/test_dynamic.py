"""Ports that nobody chose, in a baseline: the same container after its next start."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from stage import Stage

    from pytest_exposed import Engine

    Audit = Callable[..., pytest.RunResult]


def numbers(engine: Engine, name: str) -> set[int]:
    return {x.port.number for x in engine.container(name).listeners if x.dynamic}


def test_restarted_it_breaks_no_baseline(
    audit: Audit, stage: Stage, netlink: Engine, tmp_path: Path
) -> None:
    container = stage.run("tcp:0.0.0.0:80", "tcp:0.0.0.0:0", "tcp:[::]:0", exposes=("80",))
    before = numbers(netlink, container.name)
    file = tmp_path / "accepted.txt"
    audit(stage, f"--exposed-write-baseline={file}").assert_outcomes(failed=1)
    assert file.read_text().splitlines()[1:] == [f"{container.name}: dynamic"]
    container.restart()
    assert len(numbers(netlink, container.name) - before) > 0
    result = audit(stage, f"--exposed-baseline={file}", "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*(dynamic)*", "accepted: dynamic 2 ports (baseline)"])


def test_a_waiver_accepts_them(audit: Audit, stage: Stage, pytester: pytest.Pytester) -> None:
    stage.run("tcp:0.0.0.0:0", "tcp:0.0.0.0:0")
    result = audit(stage)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["  dynamic  2 ports  listener (pid 1) listens on 2 ports of the range *"]
    )
    pytester.makeini("[pytest]\nexposed_allow = *: dynamic  # its own RMI\n")
    audit(stage).assert_outcomes(passed=1)
