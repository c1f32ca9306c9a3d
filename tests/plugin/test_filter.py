"""`--exposed-filter`: which containers are audited."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage import Stage

    Run = Callable[..., pytest.RunResult]


@pytest.fixture(scope="module")
def place(shared_stage: Stage) -> Stage:
    """A stage with three containers that run and two that don't."""
    shared_stage.run(name="front-1", labels={"tier": "front"})
    shared_stage.run(name="front-2", labels={"tier": "front", "site": "a"})
    shared_stage.run(name="back", labels={"tier": "back"})
    shared_stage.create(name="created", labels={"tier": "front"})
    stopped = shared_stage.run(name="stopped", labels={"tier": "front"})
    stopped.sdk.kill()
    stopped.sdk.wait()
    return shared_stage


def audited(result: pytest.RunResult, place: Stage) -> list[str]:
    """Return the names of the tests that a run has, without the stage's prefix."""
    ids = [x for x in result.outlines if x.startswith("exposed::")]
    return [x.removeprefix(f"exposed::{place.name}-") for x in ids]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ([], ["back", "front-1", "front-2"]),
        (["label=tier=front"], ["front-1", "front-2"]),
        (["label=tier=front", "label=site=a"], ["front-2"]),
        (["label=site"], ["front-2"]),
        (["name=back"], ["back"]),
        (["name=back", "name=front-1"], ["back", "front-1"]),
        (["name=front", "label=site=a"], ["front-2"]),
        (["status=running", "name=back"], ["back"]),
    ],
    ids=str,
)
def test_chooses(filters: list[str], names: list[str], audit: Run, place: Stage) -> None:
    options = [x for text in filters for x in ("--exposed-filter", text)]
    result = audit(place, "--collect-only", "-q", *options)
    assert audited(result, place) == names


def test_by_image_and_network(audit: Run, stage: Stage) -> None:
    network = stage.network().name
    one = stage.run(name="one", exposes=("4711",), network=network)
    stage.run(name="two")
    for text in (f"ancestor={one.image}", f"network={network}"):
        result = audit(stage, "--collect-only", "-q", "--exposed-filter", text)
        assert audited(result, stage) == ["one"]


def test_nothing_that_matches_is_told_with_q_too(audit: Run, place: Stage) -> None:
    result = audit(place, "-q", "--exposed-filter=name=nosuch")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(["exposed: *, 0 running containers that match *name=nosuch*"])


def test_the_setting(run_on_engine: Run, place: Stage, pytester: pytest.Pytester) -> None:
    pytester.makeini(f"[pytest]\nexposed_filter =\n    {place.filter}\n    name=back\n")
    result = run_on_engine("--exposed", "--collect-only", "-q")
    assert audited(result, place) == ["back"]


def test_the_option_replaces_the_setting(
    audit: Run, place: Stage, pytester: pytest.Pytester
) -> None:
    pytester.makeini("[pytest]\nexposed_filter = name=nosuch\n")
    result = audit(place, "--collect-only", "-q", "--exposed-filter=name=back")
    assert audited(result, place) == ["back"]


def test_nothing_matches(audit: Run, place: Stage) -> None:
    result = audit(place, "--exposed-filter=name=nosuch")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(["exposed: * 0 running containers that match *name=nosuch*"])


def test_a_near_miss(audit: Run, place: Stage) -> None:
    result = audit(place, f"--exposed-filter=name={place.name}-bakc")
    (line,) = (x for x in result.outlines if " 0 running containers" in x)
    assert f"-bakc (did you mean {place.name}-back" in line
    said = refusal(audit(place, "--exposed-filter=nmae=web"))
    assert said.endswith(": did you mean name?")


def test_nothing_matches_but_the_suite_has_tests(
    audit: Run, place: Stage, pytester: pytest.Pytester
) -> None:
    path = pytester.makepyfile("def test_x(): pass")
    result = audit(place, "--exposed-filter=name=nosuch", str(path))
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("text", ["name", "=web", "name="])
def test_what_is_no_filter(text: str, audit: Run, place: Stage) -> None:
    assert refusal(audit(place, f"--exposed-filter={text}")) == (
        f"--exposed-filter, exposed_filter: {text!r} is not a filter: "
        "write KEY=VALUE, such as name=web or label=tier=front"
    )


@pytest.mark.parametrize("text", ["colour=red", "status=nosuch", "before=nosuch", "publish=x"])
def test_what_the_engine_refuses(text: str, audit: Run, place: Stage, engine_url: str) -> None:
    said = refusal(audit(place, f"--exposed-filter={text}"))
    assert said.startswith(f"{engine_url} refuses the filter ")
    assert text in said


def test_a_shared_namespace_is_seen_whole_all_the_same(audit: Run, stage: Stage) -> None:
    """A member that the filter leaves out still answers its owner's publication."""
    owner = stage.run(name="owner", ports={"80/tcp": ("127.0.0.1",)})
    stage.run(
        "tcp:0.0.0.0:80", name="member", exposes=("80",), network_mode=f"container:{owner.id}"
    )
    audit(stage, "--exposed-filter=name=owner").assert_outcomes(passed=1)
