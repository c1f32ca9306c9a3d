"""Containers given as testinfra hosts, made by testinfra itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import testinfra

from pytest_exposed import ConfigurationError, Engine, NotFoundError, container_listens_on

if TYPE_CHECKING:
    from stage import Stage


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return testinfra's host of an Ansible inventory that has one, with these variables."""
    # testinfra runs ansible-inventory from the path; a test environment may not be activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    monkeypatch.setenv("PATH", path)
    monkeypatch.setenv("ANSIBLE_LOCAL_TEMP", str(tmp_path / "local"))
    monkeypatch.setenv("ANSIBLE_HOME", str(tmp_path))

    numbers = count()

    def host(name: str, **variables: str) -> Any:
        words = " ".join(f"{key}={value}" for key, value in variables.items())
        # testinfra reads each inventory once.
        path = tmp_path / f"inventory-{next(numbers)}"
        path.write_text(f"{name} {words}\n", encoding="utf-8")
        # Molecule's verifier has the ansible backend as well, and not the one it stands for.
        return testinfra.get_host(
            f"ansible://{name}?force_ansible=True", ansible_inventory=str(path)
        )

    return host


def test_docker_and_podman_hosts_are_their_container(stage: Stage, engine_url: str) -> None:
    web = stage.run("tcp:0.0.0.0:80", exposes=["80"])
    with Engine(engine_url) as engine:
        assert container_listens_on(engine, testinfra.get_host(f"docker://{web.name}"), 80)
        assert container_listens_on(engine, testinfra.get_host(f"docker://root@{web.name}"), 80)
        assert container_listens_on(engine, testinfra.get_host(f"podman://{web.name}"), 80)
        assert not container_listens_on(engine, testinfra.get_host(f"docker://{web.id}"), 81)


@pytest.mark.parametrize(
    "connection",
    [
        "docker",
        "community.docker.docker",
        "community.docker.docker_api",
        "containers.podman.podman",
        "podman",
    ],
)
def test_ansible_hosts_with_a_container_connection(
    stage: Stage, engine_url: str, inventory: Callable[..., Any], connection: str
) -> None:
    web = stage.run("tcp:0.0.0.0:80", exposes=["80"])
    with Engine(engine_url) as engine:
        named_alike = inventory(web.name, ansible_connection=connection)
        assert container_listens_on(engine, named_alike, 80)
        by_variable = inventory("w", ansible_connection=connection, ansible_docker_host=web.name)
        assert container_listens_on(engine, by_variable, 80)
        by_host = inventory("w", ansible_connection=connection, ansible_host=web.name)
        assert container_listens_on(engine, by_host, 80)


def test_hosts_that_are_no_containers(engine_url: str, inventory: Callable[..., Any]) -> None:
    with Engine(engine_url) as engine:
        for host, found in (
            (testinfra.get_host("local://"), "its connection is local"),
            (testinfra.get_host("ssh://web-1"), "its connection is ssh"),
            (inventory("web-2"), "its ansible_connection is ssh"),
            (inventory("web-3", ansible_connection="local"), "its ansible_connection is local"),
        ):
            with pytest.raises(ConfigurationError, match=found) as raised:
                container_listens_on(engine, host, 80)
            assert "not a container" in str(raised.value)


def test_a_host_whose_container_is_missing(engine_url: str) -> None:
    with Engine(engine_url) as engine, pytest.raises(NotFoundError, match="no-such-container"):
        container_listens_on(engine, testinfra.get_host("docker://no-such-container"), 80)


def test_the_host_fixture_of_testinfra_beside_ours(
    stage: Stage, engine_url: str, pytester: pytest.Pytester
) -> None:
    web = stage.run("tcp:0.0.0.0:80", exposes=["80"])
    pytester.makepyfile(
        """
        def test_listens(host, container_listens_on, container_matches_image):
            assert container_listens_on(host, 80)
            assert container_matches_image(host)

        def test_fails(host, container_listens_on):
            assert container_listens_on(host, 8080)
        """
    )
    hosts = f"--hosts=docker://{web.name}"
    result = pytester.runpytest("--docker-host", engine_url, hosts)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [f"*{web.name}: nothing listens on 8080/tcp*", f"*Ports of {web.name}*"]
    )
