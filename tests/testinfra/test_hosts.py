"""Containers given as testinfra hosts, made by testinfra itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import testinfra

from pytest_exposed import ConfigurationError, Engine, NotFoundError, container_listens_on
from pytest_exposed.engine.names import name_of

if TYPE_CHECKING:
    from stage import Stage, Staged


@pytest.fixture(scope="module")
def web(shared_stage: Stage) -> Staged:
    return shared_stage.run("tcp:0.0.0.0:80", exposes=["80"])


Inventory = Callable[[Mapping[str, Mapping[str, str]]], list[Any]]


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inventory:
    """Return testinfra's hosts of an Ansible inventory that has these, with their variables."""
    # testinfra runs ansible-inventory from the path; a test environment may not be activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    monkeypatch.setenv("PATH", path)
    monkeypatch.setenv("ANSIBLE_LOCAL_TEMP", str(tmp_path / "local"))
    monkeypatch.setenv("ANSIBLE_HOME", str(tmp_path))

    def hosts(given: Mapping[str, Mapping[str, str]]) -> list[Any]:
        path = tmp_path / "inventory"  # which testinfra reads once
        lines = (
            " ".join([name, *(f"{key}={value}" for key, value in variables.items())])
            for name, variables in given.items()
        )
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        # Molecule's verifier has the ansible backend as well, and not the one it stands for.
        return [
            testinfra.get_host(f"ansible://{x}?force_ansible=True", ansible_inventory=str(path))
            for x in given
        ]

    return hosts


def test_docker_and_podman_hosts_are_their_container(web: Staged, engine_url: str) -> None:
    with Engine(engine_url) as engine:
        assert container_listens_on(engine, testinfra.get_host(f"docker://{web.name}"), 80)
        assert container_listens_on(engine, testinfra.get_host(f"docker://root@{web.name}"), 80)
        assert not container_listens_on(engine, testinfra.get_host(f"docker://{web.id}"), 81)
    assert name_of(testinfra.get_host("podman://web"), of_podman=True) == "web"


def test_a_host_of_podman_is_no_container_of_docker(
    web: Staged, engine_url: str, inventory: Inventory
) -> None:
    by_ansible = inventory({web.name: {"ansible_connection": "containers.podman.podman"}})
    with Engine(engine_url) as engine:
        for host in (testinfra.get_host(f"podman://{web.name}"), *by_ansible):
            with pytest.raises(ConfigurationError, match="is a container of podman"):
                container_listens_on(engine, host, 80)
            assert name_of(host, of_podman=True) == web.name


@pytest.mark.parametrize(
    "connection",
    [
        "docker",
        "community.docker.docker",
        "community.docker.docker_api",
    ],
)
def test_ansible_hosts_with_a_container_connection(
    web: Staged, engine_url: str, inventory: Inventory, connection: str
) -> None:
    named_alike, by_variable, by_host = inventory(
        {
            web.name: {"ansible_connection": connection},
            "v": {"ansible_connection": connection, "ansible_docker_host": web.name},
            "h": {"ansible_connection": connection, "ansible_host": web.name},
        }
    )
    with Engine(engine_url) as engine:
        assert container_listens_on(engine, named_alike, 80)
        assert container_listens_on(engine, by_variable, 80)
        assert container_listens_on(engine, by_host, 80)


def test_hosts_that_are_no_containers(engine_url: str, inventory: Inventory) -> None:
    ssh, local = inventory({"web-2": {}, "web-3": {"ansible_connection": "local"}})
    with Engine(engine_url) as engine:
        for host, found in (
            (testinfra.get_host("local://"), "its connection is local"),
            (testinfra.get_host("ssh://web-1"), "its connection is ssh"),
            (ssh, "its ansible_connection is ssh"),
            (local, "its ansible_connection is local"),
        ):
            with pytest.raises(ConfigurationError, match=found) as raised:
                container_listens_on(engine, host, 80)
            assert "not a container" in str(raised.value)


def test_a_host_whose_container_is_missing(engine_url: str) -> None:
    with Engine(engine_url) as engine, pytest.raises(NotFoundError, match="no-such-container"):
        container_listens_on(engine, testinfra.get_host("docker://no-such-container"), 80)


@pytest.mark.usefixtures("all_plugins")
def test_the_host_fixture_of_testinfra_beside_ours(
    web: Staged, engine_url: str, pytester: pytest.Pytester
) -> None:
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
