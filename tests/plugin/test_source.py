"""`--exposed-source`: how sockets are seen, and what is said where they can't be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage import Images, Stage

    Run = Callable[..., pytest.RunResult]


@pytest.fixture(scope="module")
def place(shared_stage: Stage) -> Stage:
    """A stage with a container that has `cat`, and two findings."""
    shared_stage.script("exec listener tcp:0.0.0.0:80 udp:0.0.0.0:53 ready", exposes=("80", "81"))
    return shared_stage


@pytest.mark.parametrize("source", ["auto", "netlink", "procfs", "helper", "exec"])
def test_each_finds_the_same(source: str, audit: Run, place: Stage, images: Images) -> None:
    image = images.with_shell()
    result = audit(place, "-v", f"--exposed-source={source}", f"--exposed-helper-image={image}")
    result.assert_outcomes(failed=1)
    seen_by = "netlink" if source == "auto" else source
    result.stdout.fnmatch_lines(
        [
            f"*, seen by {seen_by}, does not match its image",
            "  undocumented  53/udp  *",
            "  silent        81/tcp  *",
            "exposed: 1 container on 1 host, 0 match, 1 do not (silent 1, undocumented 1)",
        ]
    )


def test_the_setting(audit: Run, place: Stage, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nexposed_source = procfs\n")
    audit(place, "-v").stdout.fnmatch_lines(["*, seen by procfs, *"])
    audit(place, "-v", "--exposed-source=netlink").stdout.fnmatch_lines(["*, seen by netlink, *"])


def test_an_unknown_one(audit: Run, place: Stage) -> None:
    said = refusal(audit(place, "--exposed-source=ebpf"))
    assert said == (
        "--exposed-source, exposed_source: 'ebpf' is not a source of sockets: "
        "choose one of auto, netlink, procfs, helper, exec"
    )


def test_exec_where_the_image_has_no_cat(
    audit: Run, stage: Stage, pytester: pytest.Pytester
) -> None:
    container = stage.run("tcp:0.0.0.0:80", exposes=("80",))
    result = audit(stage, "--exposed-source=exec", "--junitxml=junit.xml")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            f"no source can see the sockets of {container.name}:",
            "exec: there is no cat in the image*",
            "exposed: 1 container on 1 host, 0 match, 1 could not be judged",
            "FAILED * - not observed: exec: there is no cat in *",
        ]
    )
    junit = (pytester.path / "junit.xml").read_text(encoding="utf-8")
    assert "not observed: exec: there is no cat in the image" in junit


def test_helper_without_its_image(audit: Run, place: Stage) -> None:
    result = audit(place, "--exposed-source=helper", "--exposed-helper-image=localhost:1/nosuch:1")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "no source can see the sockets of *:",
            "helper: its image localhost:1/nosuch:1 is missing and can't be pulled: *",
        ]
    )


def test_the_helper_is_gone_afterwards(audit: Run, place: Stage, images: Images) -> None:
    audit(place, "--exposed-source=helper", f"--exposed-helper-image={images.with_shell()}")
    helpers = place.client.api.containers(all=True, filters={"label": "pytest-exposed.helper"})
    assert not [x for x in helpers if any(y in x["Command"] for y in images.used_by)]
