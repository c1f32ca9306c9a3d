"""The Compose project: its services by name, its drift in an audit of the project alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from examples.common import Command, build, copy

if TYPE_CHECKING:
    import docker
    from stage import Images, Stage


@pytest.fixture(scope="module")
def image(client: docker.DockerClient, images: Images) -> str:
    return build(client, images, "compose")


@pytest.fixture
def project(
    tmp_path: Path, images: Images, image: str, stage: Stage, command: Command
) -> Iterator[Path]:
    """The example's folder, its project called like the run, and its services started."""
    folder = copy("compose", tmp_path, {"shop-web": image, "shop": images.run})
    if command("docker", "compose", "version", cwd=folder).returncode != 0:
        _up(stage, yaml.safe_load((folder / "compose.yaml").read_text(encoding="utf-8")))
        yield folder
        return
    try:
        started = command("docker", "compose", "up", "--detach", cwd=folder)
        assert started.returncode == 0, started.stdout
        yield folder
    finally:
        ended = command("docker", "compose", "down", "--timeout", "0", cwd=folder)
        assert ended.returncode == 0, ended.stdout


def _up(stage: Stage, model: dict[str, Any]) -> None:
    """Start the services of a Compose file with the labels that `docker compose up` sets."""
    for service, given in model["services"].items():
        declares = [f"{x}/tcp" for x in given.get("expose", ())]
        ports = [x.rpartition(":") for x in given.get("ports", ())]
        published = {f"{port}/tcp": (host.rstrip(":"), None) for host, _, port in ports}
        for number in range(1, given.get("scale", 1) + 1):
            stage.create(
                *given.get("command", ()),
                name=f"{service}-{number}",
                image=given["image"],
                labels={
                    "com.docker.compose.project": model["name"],
                    "com.docker.compose.service": service,
                    "com.docker.compose.container-number": str(number),
                    "com.docker.compose.oneoff": "False",
                },
                declares=declares,
                **({} if declares else {"ports": published}),
            ).sdk.start()


def test_services_by_name(project: Path, command: Command) -> None:
    result = command("pytest", "test_services.py", cwd=project)
    assert result.returncode == 0, result.stdout
    assert "= 4 passed in " in result.stdout


def test_the_audit_of_the_project(project: Path, command: Command, stage: Stage) -> None:
    stage.run("tcp:0.0.0.0:7000", name="of-no-project")
    result = command("pytest", "--exposed", cwd=project)
    assert result.returncode == 1, result.stdout
    assert "= 1 failed, 4 passed in " in result.stdout
    assert "listens on [::]:8080" in result.stdout
    assert 'add "8080/tcp" to `expose` of service admin in ' in result.stdout
    assert "5 containers on 1 host, 4 match, 1 do not (silent 1, undocumented 1)" in result.stdout
    assert "it runs httpd with other arguments than its image does" in result.stdout


def test_what_a_service_declares(project: Path, command: Command) -> None:
    by_image = command("pytest", "--exposed", "--exposed-documented=image", cwd=project)
    assert "= 2 failed, 3 passed in " in by_image.stdout
    assert "listens on [::]:8081" in by_image.stdout
