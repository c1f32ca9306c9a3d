"""`--exposed-run` on newer engines, and by podman where there is no docker command."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from demo.packages import PATH

if TYPE_CHECKING:
    from newer.daemons import NewerEngine

LABEL = {"label": "pytest-exposed.run"}


def run(pytester: pytest.Pytester, newer: NewerEngine, *options: str) -> pytest.RunResult:
    """Run pytest; nothing that it starts is left."""
    result = pytester.runpytest("--docker-host", newer.url, *options)
    assert not newer.client.api.containers(all=True, filters=LABEL)
    return result


@pytest.fixture
def _podman_alone(podman_5: NewerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have podman 5's command on the PATH, and no docker; images are built before."""
    podman_5.images.build(exposes=["80"])
    podman_5.images.with_shell(("80",))
    nsenter = shutil.which("nsenter")
    assert nsenter is not None
    words = [nsenter, *podman_5.machine.inside("podman")[1:]]
    command = tmp_path / "podman"
    command.write_text(f'#!/bin/sh\nPATH={PATH} exec {shlex.join(words)} "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize("name", ["docker_28", "docker_containerd"])
def test_docker(name: str, request: pytest.FixtureRequest, pytester: pytest.Pytester) -> None:
    newer: NewerEngine = request.getfixturevalue(name)
    image = newer.images.build(exposes=["80"])
    run(pytester, newer, f"--exposed-run={image} tcp:0.0.0.0:80").assert_outcomes(passed=1)


@pytest.mark.usefixtures("_podman_alone")
def test_podman(podman_5: NewerEngine, pytester: pytest.Pytester) -> None:
    image = podman_5.images.build(exposes=["80"])
    line = f"--exposed-run=--env 'A=b c' {image}"
    run(pytester, podman_5, f"{line} tcp:0.0.0.0:80").assert_outcomes(passed=1)
    result = run(pytester, podman_5, f"{line} tcp:0.0.0.0:80 tcp:0.0.0.0:81")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*undocumented  81/tcp  listener (pid 1) listens on *"])
    accepted = f"--exposed-allow={image}: 81  # podman has a longer name of the image"
    run(pytester, podman_5, f"{line} tcp:0.0.0.0:80 tcp:0.0.0.0:81", accepted).assert_outcomes(
        passed=1
    )
    result = run(pytester, podman_5, f"{line} exit:3")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*has exited with code 3*"])


@pytest.mark.usefixtures("_podman_alone")
@pytest.mark.parametrize(
    ("line", "message"),
    [("none/such:1", "none/such:1 could not be started: *Error: *none/such*"),
     ("--bogus {image}", "{image} could not be started: *unknown flag: --bogus*"),
     ("--rm {image} exit:3", "*{image} has e[nx]*ed *")],
)  # fmt: skip
def test_podman_says_what_is_wrong(
    podman_5: NewerEngine, pytester: pytest.Pytester, line: str, message: str
) -> None:
    image = podman_5.images.build(exposes=["80"])
    result = run(pytester, podman_5, f"--exposed-run={line.format(image=image)}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([message.format(image=image)])
    assert "Traceback" not in result.stdout.str()


@pytest.mark.usefixtures("_podman_alone")
def test_watching_what_podman_runs(podman_5: NewerEngine, pytester: pytest.Pytester) -> None:
    image = podman_5.images.with_shell(("80",))
    script = "listener tcp:0.0.0.0:80 & sleep 5; listener tcp:0.0.0.0:9000 & P=$!; sleep 1; kill $P"
    line = f"--exposed-run={image} '{script}; sleep 100'"
    report = pytester.path / "report.json"
    options = ("--exposed-watch=6", f"--exposed-report={report}")
    run(pytester, podman_5, line, *options).assert_outcomes(failed=1)
    (container,) = json.loads(report.read_text(encoding="utf-8"))["hosts"][0]["containers"]
    assert [(x["rule"], x["port"]) for x in container["findings"]] == [("undocumented", "9000/tcp")]
    assert container["started_by_run"]
