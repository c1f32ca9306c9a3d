"""The example of containers that other plugins start: each as its users run it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from demo.engine import connect
from examples.common import EXAMPLES, build, copy
from newer.root import engines_root

if TYPE_CHECKING:
    from newer.daemons import NewerEngine

PLUGINS = Path("usr/libexec/docker/cli-plugins")
"""Where Debian has Compose, below the root of newer engines."""


@pytest.fixture
def example(
    docker_28: NewerEngine, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The example's folder; what it starts is gone in the end."""
    image = build(docker_28.client, docker_28.images, "compose")
    folder = copy("containers", pytester.path, {"shop-web": image})
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="ascii")
    settings = {"cliPluginsExtraDirs": [str(engines_root() / PLUGINS)]}
    (pytester.path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    monkeypatch.setenv("DOCKER_CONFIG", str(pytester.path))
    monkeypatch.setenv("DOCKER_HOST", docker_28.url)
    monkeypatch.setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
    monkeypatch.chdir(folder)
    yield folder
    client = connect(docker_28.url)
    assert not client.api.containers(all=True, filters={"ancestor": image})
    client.close()


@pytest.mark.usefixtures("all_plugins")
@pytest.mark.parametrize("name", [x.name for x in (EXAMPLES / "containers").glob("test_*.py")])
def test_it_passes_until_the_container_drifts(
    example: Path, pytester: pytest.Pytester, name: str
) -> None:
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", name)
    result.assert_outcomes(passed=1)
    for file in (example / name, example / "compose.yaml"):
        text = file.read_text(encoding="utf-8")
        file.write_text(_drifted(file.suffix, text), encoding="utf-8")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", name)
    result.assert_outcomes(failed=1)


def _drifted(suffix: str, text: str) -> str:
    """Return a file of the example in which the container serves another port."""
    command = "httpd -f -p 8080"
    if suffix == ".yaml":
        return f"{text}    command: {command}\n"
    text = text.replace("DockerContainer(", f'DockerContainer(command="{command}", image=')
    return text.replace("container(image=", f'container(command="{command}", image=')
