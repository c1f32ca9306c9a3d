"""The CI jobs: right by the schemas of their services, and their steps run as they stand there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from examples.common import EXAMPLES, Command

if TYPE_CHECKING:
    from stage import Images, Stage, Staged

GITHUB_FOLDER = EXAMPLES.parent / ".github"
"""What this project has of its own."""
GITHUB, GITLAB = EXAMPLES / "ci/github-actions.yml", EXAMPLES / "ci/gitlab-ci.yml"

IN_A_CONTAINER = ("unshare", "--pid", "--fork", "--mount-proc", "--")
"""What a job in a container has: pids of its own."""

NOT_RUN = {
    "Install": "the package is installed: the one that is tested",
    "Start the application": "the stage is the application",
}
PROJECT = "com.docker.compose.project"


def jobs(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("vendor.github-workflows", GITHUB),
        ("custom.github-workflows-require-timeout", GITHUB),
        ("vendor.gitlab-ci", GITLAB),
        ("vendor.compose-spec", EXAMPLES / "compose/compose.yaml"),
        ("vendor.github-workflows", GITHUB_FOLDER / "workflows/tests.yml"),
        ("vendor.github-workflows", GITHUB_FOLDER / "workflows/release.yml"),
        ("custom.github-workflows-require-timeout", GITHUB_FOLDER / "workflows/tests.yml"),
        ("custom.github-workflows-require-timeout", GITHUB_FOLDER / "workflows/release.yml"),
        ("vendor.dependabot", GITHUB_FOLDER / "dependabot.yml"),
        ("vendor.github-issue-forms", GITHUB_FOLDER / "ISSUE_TEMPLATE/bug.yml"),
        ("vendor.github-issue-forms", GITHUB_FOLDER / "ISSUE_TEMPLATE/idea.yml"),
        ("vendor.github-issue-config", GITHUB_FOLDER / "ISSUE_TEMPLATE/config.yml"),
        ("vendor.readthedocs", EXAMPLES.parent / ".readthedocs.yaml"),
    ],
)
def test_schema(command: Command, tmp_path: Path, schema: str, path: Path) -> None:
    result = command("check-jsonschema", "--builtin-schema", schema, path, cwd=tmp_path)
    assert result.returncode == 0, result.stdout


@pytest.fixture
def application(stage: Stage) -> Staged:
    """A project of two services, of which one has drifted."""
    labels = {PROJECT: f"ports-{stage.name}"}
    stage.run("tcp:0.0.0.0:80", exposes=["80"], name="good", labels=labels)
    return stage.run("tcp:0.0.0.0:81", name="drift", labels=labels)


class TestGitHub:
    @pytest.fixture
    def steps(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = jobs(GITHUB)["jobs"]["audit"]["steps"]
        return found

    def test_its_steps(
        self,
        steps: list[dict[str, Any]],
        application: Staged,
        stage: Stage,
        command: Command,
        tmp_path: Path,
    ) -> None:
        given = {
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
            "PYTEST_ADDOPTS": f"--exposed-grace=0 --exposed-filter={stage.filter}",
        }
        outputs = {}
        for step in steps:
            if "run" in step and step["name"] not in NOT_RUN:
                words = ["bash", "-e", "-o", "pipefail", "-c", step["run"]]
                outputs[step["name"]] = command(*words, cwd=tmp_path, **given)
        audit = outputs.pop("Audit the ports")
        assert audit.returncode == 1, audit.stdout
        assert f"FAILED exposed::{application.name} - undocumented 81/tcp" in audit.stdout
        assert [x.returncode for x in outputs.values()] == [0]
        summary = (tmp_path / "summary").read_text(encoding="utf-8")
        assert f"| {application.name} |" in summary
        uploaded = {x["uses"].partition("@")[0]: x for x in steps if "uses" in x}
        sarif = tmp_path / uploaded["github/codeql-action/upload-sarif"]["with"]["sarif_file"]
        (run,) = json.loads(sarif.read_bytes())["runs"]
        assert [x["ruleId"] for x in run["results"]] == ["undocumented"]
        junit = tmp_path / uploaded["actions/upload-artifact"]["with"]["path"]
        assert len(list(ET.parse(junit).iter("testcase"))) == 2

    def test_reports_are_shown_where_the_audit_failed(self, steps: list[dict[str, Any]]) -> None:
        (audit,) = [i for i, x in enumerate(steps) if x.get("name") == "Audit the ports"]
        assert len(steps[audit + 1 :]) == 3
        assert all("!cancelled()" in x["if"] for x in steps[audit + 1 :])
        assert jobs(GITHUB)["jobs"]["audit"]["permissions"]["security-events"] == "write"


class TestGitLab:
    @pytest.fixture
    def given(self, images: Images, stage: Stage) -> dict[str, str]:
        stage.run("tcp:0.0.0.0:82", name="of-another-job", labels={PROJECT: "ports-other"})
        return {
            "HELPER_IMAGE": images.with_shell(),
            "COMPOSE_PROJECT_NAME": f"ports-{stage.name}",
            "PYTEST_ADDOPTS": f"--exposed-grace=0 --exposed-filter={stage.filter}",
        }

    @pytest.mark.parametrize("job", ["ports-dind", "ports-socket"])
    def test_its_script(
        self,
        job: str,
        application: Staged,
        given: dict[str, str],
        command: Command,
        tmp_path: Path,
    ) -> None:
        (audit,) = [x for x in jobs(GITLAB)[job]["script"] if x.startswith("pytest ")]
        result = command(*IN_A_CONTAINER, "sh", "-e", "-c", audit, cwd=tmp_path, **given)
        assert result.returncode == 1, result.stdout
        assert f"FAILED exposed::{application.name} - undocumented 81/tcp" in result.stdout
        kept = jobs(GITLAB)[".ports"]["artifacts"]
        assert [(tmp_path / x).stat().st_size > 1000 for x in kept["paths"]] == [True]
        cases = list(ET.parse(tmp_path / kept["reports"]["junit"]).iter("testcase"))
        assert len(cases) == {"ports-dind": 3, "ports-socket": 2}[job]
        properties = [x for case in cases for x in case.iter("property")]
        sources = {x.get("value") for x in properties if x.get("name") == "exposed_source"}
        assert sources == {"helper"}

    def test_the_engine_in_docker_is_reached_by_its_certificates(self) -> None:
        # What the service writes: https://hub.docker.com/_/docker
        given = jobs(GITLAB)["ports-dind"]["variables"]
        assert given["DOCKER_CERT_PATH"] == f"{given['DOCKER_TLS_CERTDIR']}/client"
