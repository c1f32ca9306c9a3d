"""pytest-xdist: one list of containers for all workers, and one report of what they found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage import Stage

    Run = Callable[..., pytest.RunResult]

NO_SOCKET = "unix:///nonexistent/docker.sock"


@pytest.fixture(scope="module")
def place(shared_stage: Stage) -> Stage:
    """A stage with three containers that match their images, and one that doesn't."""
    for number in range(3):
        shared_stage.run("tcp:0.0.0.0:80", name=f"good-{number}", exposes=("80",))
    shared_stage.run("tcp:0.0.0.0:80", name="drift")
    return shared_stage


IN_EACH_WORKER = "pytest_configure(config): if hasattr(config, 'workerinput')"
BEFORE_EACH_WORKER = "pytest_configure_node(node): if True"


def meanwhile(moment: str, engine_url: str, deed: str) -> str:
    """Return a conftest that does something with the engine at a moment of the run."""
    hook, condition = moment.split(": ")
    return f"""
        import docker, os, uuid

        def {hook}:
            {condition}:
                client = docker.DockerClient(base_url={engine_url!r})
                {deed}
                client.close()
    """


def start_another(stage: Stage) -> str:
    """Return code that starts one more container of the stage."""
    labels = dict([stage.label.split("=")])
    name = f"{stage.name}-' + uuid.uuid4().hex"
    return (
        f"client.containers.run({stage.images.build()!r}, name='{name}, labels={labels}, "
        "detach=True)"
    )


def test_an_audit(audit: Run, place: Stage, pytester: pytest.Pytester) -> None:
    result = audit(place, "-n2", "-v", "--exposed-report=report.json", "--junitxml=junit.xml")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(
        [
            f"{place.name}-drift (*), seen by netlink, does not match its image",
            "exposed: 4 containers on 1 host, 3 match, 1 do not (undocumented 1)",
            f"FAILED exposed::{place.name}-drift - undocumented 80/tcp",
        ]
    )
    junit = (pytester.path / "junit.xml").read_text(encoding="utf-8")
    assert '<failure message="undocumented 80/tcp">' in junit
    document = json.loads((pytester.path / "report.json").read_bytes())
    names = [x["name"].removeprefix(f"{place.name}-") for x in document["hosts"][0]["containers"]]
    assert names == ["drift", "good-0", "good-1", "good-2"]
    assert len([x for x in result.outlines if ", seen by netlink" in x]) == 4


def test_an_id(audit: Run, place: Stage) -> None:
    result = audit(place, "-n2", f"exposed::{place.name}-drift")
    result.assert_outcomes(failed=1)


def test_nothing_matched(audit: Run, place: Stage) -> None:
    result = audit(place, "-n2", "--exposed-filter=name=nosuch")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.parametrize("moment", [IN_EACH_WORKER, BEFORE_EACH_WORKER])
def test_containers_that_start_meanwhile_are_not_in_it(
    moment: str, audit: Run, stage: Stage, engine_url: str, pytester: pytest.Pytester
) -> None:
    for number in range(2):
        stage.run(name=f"first-{number}")
    pytester.makeconftest(meanwhile(moment, engine_url, start_another(stage)))
    audit(stage, "-n2").assert_outcomes(passed=2)
    assert len(stage.client.api.containers(filters={"label": stage.label})) == 4


def test_one_that_ends_meanwhile_is_skipped(
    audit: Run, stage: Stage, engine_url: str, pytester: pytest.Pytester
) -> None:
    stage.run(name="stays")
    goes = stage.run(name="goes")
    deed = f"[x.remove(force=True) for x in client.containers.list(filters={{'id': {goes.id!r}}})]"
    pytester.makeconftest(meanwhile(BEFORE_EACH_WORKER, engine_url, deed))
    result = audit(stage, "-n2", "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "exposed: 1 container on 1 host, 1 match, 1 gone since the run began",
            f"SKIPPED * {goes.name} is gone since the run began",
        ]
    )


SUITE = """
    def test_each(running_container, container_matches_image):
        assert container_matches_image(running_container)

    def test_one(container_listens_on):
        assert container_listens_on("{name}", 80)
"""


def test_a_suite(run_on_engine: Run, place: Stage, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE.format(name=f"{place.name}-drift"))
    pytester.makeini(f"[pytest]\nexposed_filter = {place.filter}\nexposed_grace = 0\n")
    result = run_on_engine("-n2")
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines([f"*- Ports of {place.name}-drift -*"])


def test_a_suite_while_containers_start(
    run_on_engine: Run, stage: Stage, engine_url: str, pytester: pytest.Pytester
) -> None:
    drift = stage.run("tcp:0.0.0.0:80", name="drift")
    stage.run("tcp:0.0.0.0:80", name="good", exposes=("80",))
    pytester.makepyfile(SUITE.format(name=drift.name))
    pytester.makeini(f"[pytest]\nexposed_filter = {stage.filter}\nexposed_grace = 0\n")
    pytester.makeconftest(
        f"""
        import docker, os, pathlib, time, uuid

        HERE = os.environ.get("PYTEST_XDIST_WORKER")
        COLLECTED = pathlib.Path("collected")

        def pytest_collection_finish():
            if HERE == "gw0":
                COLLECTED.touch()

        def pytest_configure():
            if HERE == "gw1":
                deadline = time.monotonic() + 20
                while not COLLECTED.exists():
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
                client = docker.DockerClient(base_url={engine_url!r})
                {start_another(stage)}
                client.close()
        """
    )
    result = run_on_engine("-n2")
    result.stdout.no_fnmatch_line("*Different tests were collected*")
    result.assert_outcomes(passed=2, failed=1)
    assert len(stage.client.api.containers(filters={"label": stage.label})) == 3


class TestWithoutAnEngine:
    def test_an_audit(self, run_pytest: Run) -> None:
        said = refusal(run_pytest("--exposed", "-n2", "--docker-host", NO_SOCKET))
        assert said.startswith(f"{NO_SOCKET}: there is no such socket")

    def test_one_of_several(self, audit: Run, place: Stage) -> None:
        result = audit(place, "-n2", "--docker-host", NO_SOCKET)
        result.assert_outcomes(passed=3, failed=2)

    def test_a_bad_setting(self, run_pytest: Run) -> None:
        said = refusal(run_pytest("--exposed", "-n2", "--exposed-select=nosuch"))
        assert "exposed_select: 'nosuch' is not a rule" in said

    def test_a_suite(self, run_pytest: Run, pytester: pytest.Pytester) -> None:
        pytester.makepyfile("def test_each(running_container): pass\ndef test_x(exposed): pass")
        result = run_pytest("-n2", "--docker-host", NO_SOCKET)
        result.assert_outcomes(errors=2)
        result.stdout.fnmatch_lines([f"pytest-exposed: {NO_SOCKET}: *"])
