"""The README is true: its commands print what stands there, its code does what it says."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from demo.images import build_image, remove_images
from docs.page import FOLDER, Command, steps
from docs.scene import Scene, build_busybox, with_free_ports
from docs.test_pages import check
from workload import listener

if TYPE_CHECKING:
    import docker

README = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def block(kind: str, word: str) -> str:
    """Return the one block of a kind that has a word."""
    (found,) = (text for of, text in BLOCKS if of == kind and word in text)
    return str(found)


@pytest.fixture
def try_it(
    private_client: docker.DockerClient, environment: Mapping[str, str], tmp_path: Path
) -> Iterator[Scene]:
    """The two containers, of images that do what those of the registry do."""
    build_image(
        private_client,
        "nginx",
        files={"/bin/nginx": listener()},
        instructions=["EXPOSE 80", 'CMD ["/bin/nginx", "tcp:0.0.0.0:80", "tcp6only:[::]:80"]'],
    )
    build_busybox(private_client)
    found = Scene({})
    try:
        commands = with_free_ports(block("sh", "docker run"), found)
        bash = ["bash", "-ec", commands]
        subprocess.run(bash, env=environment, cwd=tmp_path, check=True, capture_output=True)
        yield found
    finally:
        for name in ("web", "api"):
            for container in private_client.containers.list(all=True, filters={"name": name}):
                container.remove(force=True, v=True)
        remove_images(private_client, "nginx", "busybox")


def test_what_it_says_to_try(
    try_it: Scene, environment: Mapping[str, str], tmp_path: Path, pytester: pytest.Pytester
) -> None:
    (audit,) = (x for x in steps(README) if isinstance(x, Command))
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    # The grace that a reader has, too: these containers have only just started.
    check(audit, tmp_path, {**environment, "PYTEST_ADDOPTS": "-p no:cacheprovider"}, try_it)
    pytester.makepyfile(block("python", "def test_web("))
    suite = pytester.runpytest("--docker-host", environment["DOCKER_HOST"])
    suite.assert_outcomes(passed=1)
    words = block("sh", "--exposed-run").split()
    assert words[0] == "pytest"
    image = pytester.runpytest("--docker-host", environment["DOCKER_HOST"], *words[1:])
    image.assert_outcomes(passed=1)
    assert Path("ports.md").exists()


def test_no_block_is_of_a_kind_that_nobody_tries() -> None:
    assert [kind for kind, _ in BLOCKS] == ["sh", "sh", "console", "python", "sh"]
