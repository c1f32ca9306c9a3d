"""The CI jobs of an image: right by the schemas of their services, and their steps run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from examples.common import EXAMPLES, Command
from examples.test_ci import IN_A_CONTAINER

if TYPE_CHECKING:
    from stage import Images

GITHUB, GITLAB = EXAMPLES / "ci/github-image.yml", EXAMPLES / "ci/gitlab-image.yml"


def document(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("vendor.github-workflows", GITHUB),
        ("custom.github-workflows-require-timeout", GITHUB),
        ("vendor.gitlab-ci", GITLAB),
    ],
)
def test_schema(command: Command, tmp_path: Path, schema: str, path: Path) -> None:
    result = command("check-jsonschema", "--builtin-schema", schema, path, cwd=tmp_path)
    assert result.returncode == 0, result.stdout


@pytest.fixture
def project(images: Images, tmp_path: Path) -> Path:
    """A folder with the Dockerfile of a server that listens on more than it documents."""
    folder = tmp_path / "project"
    folder.mkdir()
    lines = [f"FROM {images.build()}", "EXPOSE 80", 'CMD ["tcp:0.0.0.0:80", "tcp:0.0.0.0:9000"]']
    (folder / "Dockerfile").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def given(images: Images, tmp_path: Path) -> dict[str, str]:
    return {
        "IMAGE": images.new_tag(),
        "HELPER_IMAGE": images.with_shell(),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "DOCKER_BUILDKIT": "0",  # the classic builder needs no plugin
    }


def test_the_steps_at_github(
    command: Command, project: Path, given: dict[str, str], tmp_path: Path
) -> None:
    steps = {x.get("name"): x for x in document(GITHUB)["jobs"]["image"]["steps"]}
    results = {}
    for name in ("Build", "Audit the ports", "Show them in the job's summary"):
        words = ["bash", "-e", "-o", "pipefail", "-c", steps[name]["run"]]
        results[name] = command(*words, cwd=project, **given)
    assert [x.returncode for x in results.values()] == [0, 1, 0]
    failed = f"FAILED exposed::{given['IMAGE']} - undocumented 9000/tcp"
    assert failed in results["Audit the ports"].stdout
    assert given["IMAGE"] in (tmp_path / "summary").read_text(encoding="utf-8")
    sarif = steps["Show them in code scanning"]["with"]["sarif_file"]
    (run,) = json.loads((project / sarif).read_bytes())["runs"]
    (result,) = run["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "Dockerfile"
    assert place["region"]["startLine"] == 2


def test_nothing_is_pushed_but_what_passed() -> None:
    names = [x.get("name") for x in document(GITHUB)["jobs"]["image"]["steps"]]
    assert names.index("Audit the ports") < names.index("Push")
    push = document(GITHUB)["jobs"]["image"]["steps"][names.index("Push")]
    assert "cancelled" not in push["if"]
    assert "always" not in push["if"]
    script = document(GITLAB)["ship"]["script"]
    assert [x.partition(" ")[0] for x in script] == ["docker", "pytest", "if", "echo", "docker"]
    branches = {"main": 1, "other": 0, "": 0}  # a merge request's pipeline has no branch
    for branch, pushes in branches.items():
        env = {"CI_COMMIT_BRANCH": branch, "CI_DEFAULT_BRANCH": "main"}
        words = ["sh", "-ec", f"{script[2]}\nexit 1"]
        assert subprocess.run(words, env=env, check=False).returncode == pushes


def test_the_script_at_gitlab(command: Command, project: Path, given: dict[str, str]) -> None:
    build, audit, *_ = document(GITLAB)["ship"]["script"]
    assert command("sh", "-e", "-c", build, cwd=project, **given).returncode == 0
    result = command(*IN_A_CONTAINER, "sh", "-e", "-c", audit, cwd=project, **given)
    assert result.returncode == 1, result.stdout
    assert f"FAILED exposed::{given['IMAGE']} - undocumented 9000/tcp" in result.stdout
    assert "exposed_source" in (project / "ports.xml").read_text(encoding="utf-8")
    assert "helper" in (project / "ports.xml").read_text(encoding="utf-8")
