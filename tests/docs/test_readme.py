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


def inline(text: str) -> str:
    """Return a text that stands in the README as code within a line."""
    assert f"`{text}`" in README
    return text


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
        removed = inline("docker rm --force web api").split()
        subprocess.run(removed, env=environment, check=True, capture_output=True)
        assert not private_client.containers.list(all=True)
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
    for together in inline("pytest --exposed ."), "exposed = true":
        if together.startswith("pytest"):
            words = together.split()[1:]
        else:
            words = ["--override-ini", together.replace(" ", "")]
        both = pytester.runpytest("--docker-host", environment["DOCKER_HOST"], *words)
        both.assert_outcomes(passed=2, failed=1)
    words = block("sh", "--exposed-run").split()
    assert words[0] == "pytest"
    image = pytester.runpytest("--docker-host", environment["DOCKER_HOST"], *words[1:])
    image.assert_outcomes(passed=1)
    assert Path("ports.md").exists()


def test_where_a_reader_goes_on_has_nothing_to_collect(
    tmp_path: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither this project's own tests, which are in the clone, nor its pyproject.toml."""
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "test_own.py").write_text("def test_own(): pass", encoding="utf-8")
    steps = [x for x in block("sh", "pip install .").splitlines() if "pip" not in x]
    (leaving,) = (x for x in steps if "venv" not in x)
    ran = subprocess.run(
        ["bash", "-ec", f"{leaving}; pwd"], cwd=clone, capture_output=True, text=True, check=True
    )
    monkeypatch.chdir(ran.stdout.strip())
    assert pytester.runpytest_subprocess().ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_the_containers_are_removed_after_all_that_is_about_them() -> None:
    assert README.index("docker rm --force") > README.index('container_listens_on("web"')


def test_no_block_is_of_a_kind_that_nobody_tries() -> None:
    assert [kind for kind, _ in BLOCKS] == ["sh", "sh", "console", "python", "sh"]
