"""`pytest --exposed`: what it runs, what it prints, how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from stage import wait_until
from workload import listener

if TYPE_CHECKING:
    from stage import Images, Stage, Staged

Audit = Callable[..., pytest.RunResult]

A_TEST = "def test_of_the_suite(): pass"


@dataclass(frozen=True)
class Scene:
    """A container that matches its image, and two that don't."""

    stage: Stage
    good: Staged
    drift: Staged
    wrong: Staged

    @property
    def names(self) -> list[str]:
        return sorted(x.name for x in (self.good, self.drift, self.wrong))


@pytest.fixture(scope="module")
def scene(shared_stage: Stage) -> Scene:
    return Scene(
        shared_stage,
        shared_stage.run("tcp:0.0.0.0:80", name="good", exposes=("80",)),
        shared_stage.run("tcp:0.0.0.0:80", name="drift"),
        shared_stage.run(
            "tcp:127.0.0.1:8000", name="wrong", exposes=("8000",), ports={"80/tcp": ("127.0.0.1",)}
        ),
    )


def test_is_one_test_per_container(audit: Audit, scene: Scene) -> None:
    result = audit(scene.stage, "-v")
    result.assert_outcomes(passed=1, failed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    good, drift, wrong = scene.good.name, scene.drift.name, scene.wrong.name
    result.stdout.fnmatch_lines(
        [
            "collecting ... collected 3 items",
            f"exposed::{drift} FAILED *",
            f"exposed::{good} PASSED *",
            f"exposed::{wrong} FAILED *",
        ]
    )


def test_says_what_is_wrong_and_shows_the_ports(audit: Audit, scene: Scene) -> None:
    result = audit(scene.stage, "-k", "drift or good")
    name, image = scene.drift.name, scene.drift.image
    result.stdout.fnmatch_lines(
        [
            f"{name} ({image}) does not match its image",
            (
                "  undocumented  80/tcp  listener (pid 1) listens on 0.0.0.0:80, "
                f"and {image} does not EXPOSE it"
            ),
            "                        add to its Dockerfile: EXPOSE 80/tcp",
            "",
            "PORT    DOCUMENTED  PUBLISHED  LISTENING   PROCESS",
            "80/tcp  -           -          0.0.0.0:80  listener (pid 1)",
            "exposed: 2 containers on 1 host, 1 match, 1 do not (undocumented 1)",
            f"FAILED exposed::{name} - undocumented 80/tcp",
        ],
        consecutive=False,
    )


def test_shows_publications_and_loopback_in_the_table(audit: Audit, scene: Scene) -> None:
    result = audit(scene.stage, "-k", "wrong")
    host_port = scene.wrong.host_port("80/tcp")
    result.stdout.re_match_lines(
        [
            r"  published-silent  80/tcp    published as 127\.0\.0\.1:\d+, and nothing in ",
            r"  unreachable       8000/tcp  \S+ documents it, and its only listener is on loopback",
            r"PORT      DOCUMENTED  PUBLISHED +LISTENING +PROCESS$",
            rf"80/tcp    run time    127\.0\.0\.1:{host_port}  - +-$",
            r"8000/tcp  yes         - +127\.0\.0\.1:8000 \(loopback\)  listener \(pid 1\)$",
            (
                r"exposed: 1 container on 1 host, 0 match, 1 do not "
                r"\(published-silent 1, unreachable 1\)$"
            ),
        ]
    )


def test_passes_where_all_match(audit: Audit, scene: Scene) -> None:
    result = audit(scene.stage, "-k", "good")
    result.assert_outcomes(passed=1, deselected=2)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["exposed: 1 container on 1 host, 1 match"])
    result.stdout.no_fnmatch_line("PORT *")


def test_verbose_shows_the_ports_of_every_container(audit: Audit, scene: Scene) -> None:
    result = audit(scene.stage, "-v", "-k", "good")
    result.stdout.fnmatch_lines(
        [
            "*- ports on * -*",
            f"{scene.good.name} ({scene.good.image}), seen by *",
            "PORT    DOCUMENTED  PUBLISHED  LISTENING   PROCESS",
            "80/tcp  yes         -          0.0.0.0:80  listener (pid 1)",
            "exposed: 1 container on 1 host, 1 match",
        ],
    )


@pytest.mark.parametrize("options", [(), ("--tb=no",), ("--tb=line",), ("-n2",)], ids=" ".join)
def test_verbose_shows_each_table_once(
    options: tuple[str, ...], audit: Audit, scene: Scene
) -> None:
    result = audit(scene.stage, "-v", *options)
    result.assert_outcomes(passed=1, failed=2)
    assert len([x for x in result.outlines if x.startswith("PORT ")]) == 3
    assert len([x for x in result.outlines if ", seen by " in x]) == 3


def test_says_what_is_looked_at(audit: Audit, scene: Scene, engine_url: str) -> None:
    result = audit(scene.stage)
    result.stdout.fnmatch_lines(
        [f"exposed: {engine_url}, 3 running containers that match {scene.stage.filter}"]
    )


def test_stops_at_the_first_failure(audit: Audit, scene: Scene) -> None:
    result = audit(scene.stage, "-x")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*stopping after 1 failures*"])


def test_runs_the_last_failures_again(
    audit: Audit, scene: Scene, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(A_TEST)
    audit(scene.stage).assert_outcomes(passed=1, failed=2)
    again = audit(scene.stage, "--lf")
    again.assert_outcomes(failed=2, deselected=1)
    again.stdout.fnmatch_lines(["run-last-failure: rerun previous 2 failures"])


def test_deselects(audit: Audit, scene: Scene) -> None:
    result = audit(scene.stage, "--deselect", f"exposed::{scene.drift.name}")
    result.assert_outcomes(passed=1, failed=1, deselected=1)


def test_only_collects(audit: Audit, scene: Scene) -> None:
    result = audit(scene.stage, "--collect-only", "-q")
    assert result.ret == pytest.ExitCode.OK
    assert [x for x in result.outlines if x.startswith("exposed::")] == [
        f"exposed::{x}" for x in scene.names
    ]
    result.stdout.fnmatch_lines(["3 tests collected in *"])
    result.stdout.no_fnmatch_line("exposed: * match*")


def test_writes_junit_xml(audit: Audit, scene: Scene, pytester: pytest.Pytester) -> None:
    audit(scene.stage, "--junitxml=junit.xml")
    tree = ET.parse(pytester.path / "junit.xml")
    cases = {str(x.get("name")): x for x in tree.iter("testcase")}
    assert sorted(cases) == scene.names
    assert {x.get("classname") for x in cases.values()} == {"exposed"}
    assert cases[scene.good.name].find("failure") is None
    failure = cases[scene.drift.name].find("failure")
    assert failure is not None
    assert failure.get("message") == "undocumented 80/tcp"
    assert "add to its Dockerfile: EXPOSE 80/tcp" in str(failure.text)


class TestChoosing:
    """Ids and paths on the command line."""

    def test_an_id(self, audit: Audit, scene: Scene) -> None:
        result = audit(scene.stage, f"exposed::{scene.drift.name}")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["collected 1 item"])

    def test_an_id_beside_a_folder_of_that_name(
        self, audit: Audit, scene: Scene, pytester: pytest.Pytester
    ) -> None:
        pytester.mkdir("exposed")
        audit(scene.stage, f"exposed::{scene.good.name}").assert_outcomes(passed=1)

    def test_several_ids(self, audit: Audit, scene: Scene) -> None:
        result = audit(scene.stage, f"exposed::{scene.drift.name}", f"exposed::{scene.good.name}")
        result.assert_outcomes(passed=1, failed=1)

    def test_an_id_that_is_not_there(self, audit: Audit, scene: Scene) -> None:
        result = audit(scene.stage, "exposed::nosuch")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            ["ERROR: not found: exposed::nosuch *: no container 'nosuch' *"]
        )

    def test_an_id_whose_container_ended(self, audit: Audit, stage: Stage) -> None:
        ended = stage.create("exit:3", name="ended")
        ended.sdk.start()
        ended.sdk.wait()
        result = audit(stage, f"exposed::{ended.name}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            [f"ERROR: not found: exposed::{ended.name} *exited with code 3*"]
        )

    def test_an_id_that_the_filter_leaves_out(
        self, audit: Audit, scene: Scene, stage: Stage
    ) -> None:
        result = audit(stage, f"exposed::{scene.good.name}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"*: {scene.good.name} is left out by the filter"])

    def test_the_beginning_of_an_id(self, audit: Audit, scene: Scene) -> None:
        result = audit(scene.stage, f"exposed::{scene.good.id[:12]}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"*: the test of * is exposed::{scene.good.name}"])

    def test_a_slip_of_the_name_of_a_service(self, audit: Audit, stage: Stage) -> None:
        labels = {"com.docker.compose.project": stage.name, "com.docker.compose.service": "cache"}
        stage.run("tcp:0.0.0.0:80", name="cache-1", labels=labels)
        result = audit(stage, "exposed::cahce")
        near = f"*: did you mean cache? *; the test of cache is exposed::{stage.name}-cache-1"
        result.stderr.fnmatch_lines([near])

    def test_without_paths_only_the_audit_runs(
        self, audit: Audit, scene: Scene, pytester: pytest.Pytester
    ) -> None:
        pytester.makepyfile(A_TEST)
        audit(scene.stage).assert_outcomes(passed=1, failed=2)

    def test_without_paths_testpaths_do_not_count(
        self, audit: Audit, scene: Scene, pytester: pytest.Pytester
    ) -> None:
        pytester.makepyfile(A_TEST)
        pytester.makeini("[pytest]\ntestpaths = .")
        audit(scene.stage).assert_outcomes(passed=1, failed=2)

    def test_with_paths_the_audit_is_added(
        self, audit: Audit, scene: Scene, pytester: pytest.Pytester
    ) -> None:
        path = pytester.makepyfile(A_TEST)
        result = audit(scene.stage, str(path))
        result.assert_outcomes(passed=2, failed=2)
        result.stdout.fnmatch_lines(["collected 4 items"])

    def test_an_id_and_a_path(self, audit: Audit, scene: Scene, pytester: pytest.Pytester) -> None:
        path = pytester.makepyfile(A_TEST)
        result = audit(scene.stage, str(path), f"exposed::{scene.drift.name}")
        result.assert_outcomes(passed=1, failed=1)

    def test_an_id_without_the_option(self, run_on_engine: Audit, scene: Scene) -> None:
        result = run_on_engine(f"exposed::{scene.drift.name}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            ["*exposed::* is a test of the audit: add --exposed, or --exposed-run"]
        )

    def test_an_id_as_pytest_shows_it_in_a_folder(
        self,
        audit: Audit,
        scene: Scene,
        pytester: pytest.Pytester,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        pytester.makeini("[pytest]")
        monkeypatch.chdir(pytester.mkdir("folder"))
        result = audit(scene.stage, f"../exposed::{scene.drift.name}")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f"FAILED ../exposed::{scene.drift.name} *"])


def test_without_the_option_nothing_is_audited(
    run_on_engine: Audit, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(A_TEST)
    result = run_on_engine()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*exposed:*")


def test_a_process_with_a_hostile_name(audit: Audit, stage: Stage, images: Images) -> None:
    name = "e\x1b[2Jv\nil"
    image = images.build(
        files={f"/bin/{name}": listener()},
        instructions=[f"ENTRYPOINT {json.dumps([f'/bin/{name}'])}"],
    )
    stage.run("tcp:0.0.0.0:80", image=image)
    result = audit(stage, "-v", "--junitxml=junit.xml")
    result.assert_outcomes(failed=1)
    assert "\x1b[2J" not in str(result.stdout)
    result.stdout.fnmatch_lines(["80/tcp *0.0.0.0:80  e\\x1b[[]2Jv\\nil (pid 1)"])


def test_a_container_between_two_starts_fails_with_its_state(audit: Audit, stage: Stage) -> None:
    container = stage.create("ready", "exit:3", restart_policy={"Name": "always"})
    container.start()

    def rests() -> bool:
        return container.state() == "restarting" and container.sdk.attrs["RestartCount"] >= 5

    wait_until(rests, "it has crashed five times")
    result = audit(stage)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            f"{container.name} is restarting: it exited with code 3, * times so far; the last *",
            "  ready",
            "exposed: 1 container on 1 host, 0 match, 1 could not be judged",
        ]
    )


def test_a_paused_container_is_judged_like_any_other(audit: Audit, stage: Stage) -> None:
    container = stage.run("tcp:0.0.0.0:80", exposes=("80",))
    container.sdk.pause()
    audit(stage).assert_outcomes(passed=1)


def test_a_range_of_ports_is_told_once(audit: Audit, stage: Stage) -> None:
    stage.run("tcp:0.0.0.0:10000-11999")
    result = audit(stage)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "  undocumented  10000-11999/tcp  listener (pid 1) listens on 0.0.0.0:10000-11999, *",
            "  *  add to its Dockerfile: EXPOSE 10000-11999/tcp",
            "10000-11999/tcp  -  * 0.0.0.0:10000-11999  listener (pid 1)",
            "exposed: 1 container on 1 host, 0 match, 1 do not (undocumented 2000)",
        ]
    )
