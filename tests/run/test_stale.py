"""Lines of waivers and baselines that accept nothing in a run of images: named, or kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest
    from stage import Images, Stage

    Run = Callable[..., pytest.RunResult]


def not_used(result: pytest.RunResult) -> list[str]:
    """Return the waivers that the run names."""
    form = r"exposed: waiver not used(?:, as no container is called that(?: \(.*\))?)?: (.*)"
    return [x[1] for x in map(re.compile(form).fullmatch, result.outlines) if x]


def test_a_waiver_is_named_beside_containers_that_nobody_asked_for(
    run: Run, images: Images, stage: Stage, pytester: pytest.Pytester
) -> None:
    running = stage.run("tcp:0.0.0.0:80", exposes=("80",))
    image = images.build(exposes=("80",))
    without_tag = image.partition(":")[0]
    stale = [f"{image}: 9999", f"{without_tag}: 80"]
    kept = [f"{running.name}: 9999", f"{image}: 81", "no-such-*: 80", "another:1: 80"]
    pytester.makeini("[pytest]\nexposed_allow =\n  " + "\n  ".join([*stale, *kept]) + "\n")
    result = run(f"--exposed-run={image} tcp:0.0.0.0:80 tcp:0.0.0.0:81")
    result.assert_outcomes(passed=1)
    assert not_used(result) == stale


def test_one_of_an_image_that_was_left_out_is_not(
    run: Run, images: Images, pytester: pytest.Pytester, tmp_path: Path
) -> None:
    one, two = (images.build(exposes=(x,)) for x in ("80", "81"))
    lines = [f"--exposed-run={x} tcp:0.0.0.0:80 tcp:0.0.0.0:81" for x in (one, two)]
    baseline = tmp_path / "baseline"
    run(*lines, f"--exposed-write-baseline={baseline}").assert_outcomes(failed=2)
    entries = baseline.read_text()
    assert f"{two}: undocumented 80/tcp" in entries
    pytester.makeini(f"[pytest]\nexposed_allow =\n  {two}: 9999\n  no-such-*: 80\n")
    given = (*lines, "-k", f"not {two}", f"--exposed-baseline={baseline}")
    result = run(*given, f"--exposed-write-baseline={baseline}")
    result.assert_outcomes(passed=1, deselected=1)
    assert not_used(result) == []
    result.stdout.no_fnmatch_line("*remove it from*")
    assert baseline.read_text() == entries
    assert not_used(run(*lines, f"--exposed-baseline={baseline}")) == [f"{two}: 9999"]


def test_what_another_run_judges_is_kept(
    run: Run, images: Images, stage: Stage, pytester: pytest.Pytester, tmp_path: Path
) -> None:
    """One configuration for jobs that audit containers, and for those of an image each."""
    running = stage.run("tcp:0.0.0.0:80", name="web")
    image = images.build(exposes=("80",))
    begun = "# pytest-exposed baseline 1: findings that are accepted.\n"
    entries = {"another:1: silent 1/tcp", "gone: silent 2/tcp", f"{running.name}: silent 3/tcp"}
    entries.add(f"{image}: silent 4/tcp")
    baseline = tmp_path / "baseline"
    pytester.makeini("[pytest]\nexposed_allow =\n  another:2: 80\n  lost: 80\n")

    def after(*given: str) -> set[str]:
        """Return what a run leaves of the baseline; what it says of it is the same."""
        baseline.write_text(begun + "\n".join(entries))
        options = (f"--exposed-baseline={baseline}", "--exposed-select=silent", *given)
        named = [x.partition(f"{baseline}: ") for x in run(*options).outlines]
        wrong = {x[2] for x in named if x[0].endswith("remove it from ")}
        run(*options, f"--exposed-write-baseline={baseline}")
        left = set(baseline.read_text().splitlines()[1:])
        assert entries - left == wrong
        return left

    line = f"--exposed-run={image} tcp:0.0.0.0:80"
    assert after(line) == entries - {f"{image}: silent 4/tcp"}
    filtered = ("--exposed", f"--exposed-filter={stage.filter}")
    lost = {"gone: silent 2/tcp", f"{running.name}: silent 3/tcp"}
    assert after(*filtered) == entries - lost


def test_one_that_covers_a_part_of_a_finding(
    run: Run, images: Images, pytester: pytest.Pytester
) -> None:
    """One of two ports that nobody chose: the finding is of both."""
    image = images.build(exposes=("80",))
    line = f"--exposed-run={image} tcp:0.0.0.0:80 tcp:0.0.0.0:50001 tcp:0.0.0.0:50002"
    pytester.makeini(f"[pytest]\nexposed_allow =\n  {image}: 50001\n")
    result = run(line)
    result.assert_outcomes(failed=1)
    assert not_used(result) == [f"{image}: 50001"]
    pytester.makeini(f"[pytest]\nexposed_allow =\n  {image}: 50001\n  {image}: 50002\n")
    result = run(line)
    result.assert_outcomes(passed=1)
    assert not_used(result) == []
