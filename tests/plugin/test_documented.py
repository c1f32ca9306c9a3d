"""`--exposed-documented`: whether the word of the container counts, beside that of its image."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage import Stage

    Run = Callable[..., pytest.RunResult]

BY_RUN = "--exposed-documented=run"


@pytest.fixture(scope="module")
def place(shared_stage: Stage) -> Stage:
    """A stage with ports that images document, and others that containers declare alone."""
    run = shared_stage.run
    words = ("tcp:0.0.0.0:80", "tcp:0.0.0.0:81")
    run(*words, name="adds", exposes=("80",), declares=("80/tcp", "81/tcp"))
    run(*words, name="publish", exposes=("80",), ports={"81/tcp": ("127.0.0.1", 0)})
    # The list of an engine has no ports of such a container.
    run("tcp:0.0.0.0:8181", name="host", declares=("8181/tcp",), network_mode="host")
    run(*words, name="more", exposes=("80",))
    run("tcp:0.0.0.0:80", name="silent", exposes=("80",), declares=("80/tcp", "82/tcp"))
    run("tcp:127.0.0.1:83", name="closed", declares=("83/tcp",))
    return shared_stage


def test_the_image_alone_by_default(audit: Run, place: Stage) -> None:
    result = audit(place, "-k", "adds or publish or host or silent")
    result.assert_outcomes(failed=3, passed=1, deselected=2)
    result.stdout.fnmatch_lines(
        [
            f"FAILED exposed::{place.name}-adds - undocumented 81/tcp",
            f"FAILED exposed::{place.name}-host - undocumented 8181/tcp",
            f"FAILED exposed::{place.name}-publish - published-undocumented 81/tcp",
        ]
    )


@pytest.mark.parametrize("source", ["netlink", "procfs"])
def test_the_container_too(source: str, audit: Run, place: Stage) -> None:
    names = "adds or publish or host"
    result = audit(place, BY_RUN, "-k", names, "-v", f"--exposed-source={source}")
    result.assert_outcomes(passed=3, deselected=3)
    rows = [x.split()[:2] for x in result.outlines if "/tcp " in x]
    assert rows == [
        *(["80/tcp", "yes"], ["81/tcp", "run"]),
        ["8181/tcp", "run"],
        *(["80/tcp", "yes"], ["81/tcp", "run"]),
    ]


def test_what_is_wrong_and_what_to_do(audit: Run, place: Stage) -> None:
    result = audit(place, BY_RUN, "-k", "more or silent or closed")
    result.assert_outcomes(failed=3, deselected=3)
    text = str(result.stdout)
    assert f" nor {place.name}-more documents it" in text
    assert "declare it (--expose 81/tcp), or add to its Dockerfile: EXPOSE 81/tcp" in text
    assert f"{place.name}-silent declares it, and nothing in {place.name}-silent listens" in text
    assert "start its service, or don't declare it" in text
    assert f"{place.name}-closed declares it, and its only listener is on loopback" in text
    assert f"bind 0.0.0.0:83 in {place.name}-closed, or don't declare it" in text


def test_the_setting_and_the_reports(audit: Run, place: Stage, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nexposed_documented = run\n")
    written = ("--exposed-report=report.json", "--exposed-write-tests=test_ports.py")
    audit(place, "-k=adds", *written).assert_outcomes(passed=1, deselected=5)
    (host,) = json.loads((pytester.path / "report.json").read_text(encoding="utf-8"))["hosts"]
    (container,) = host["containers"]
    assert container["documented"] == ["80/tcp", "81/tcp"]
    assert container["documented_by_image"] == ["80/tcp"]
    tests = (pytester.path / "test_ports.py").read_text(encoding="utf-8")
    assert '"80/tcp", only=True)\n' in tests.partition("assert image_exposes(")[2]
    audit(place, "-k=adds", "--exposed-documented=image").assert_outcomes(failed=1, deselected=5)


def test_a_fixture_asks_for_it(run_on_engine: Run, place: Stage, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        import pytest
        from pytest_exposed import ConfigurationError

        NAME = "{place.name}-adds"

        def test_run(container_matches_image):
            assert container_matches_image(NAME, documented="run")

        def test_as_set(container_matches_image):
            assert container_matches_image(NAME)

        def test_image(container_matches_image):
            assert not container_matches_image(NAME, documented="image")

        def test_another(container_matches_image):
            with pytest.raises(ConfigurationError, match="neither 'image' nor 'run'"):
                container_matches_image(NAME, documented="both")
        """
    )
    run_on_engine().assert_outcomes(passed=3, failed=1)
    run_on_engine(BY_RUN).assert_outcomes(passed=4)


def test_another_word(audit: Run, place: Stage) -> None:
    said = refusal(audit(place, "--exposed-documented=both"))
    assert said == "--exposed-documented, exposed_documented: 'both' is neither 'image' nor 'run'"
