"""Networks of newer engines: their own host's, those without an IPv4 address, shared ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from stage import Stage, wait_until

from pytest_exposed import Container, Engine
from pytest_exposed.errors import ObservationError

if TYPE_CHECKING:
    from newer.daemons import NewerEngine

LOCAL = ["netlink", "procfs"]
SOURCES = [*LOCAL, "helper", "exec"]

# The first process goes to a network of its own making, and serves there.
LEAVE = "exec unshare -Urn sh -c 'ip link set lo up; exec listener tcp:0.0.0.0:80 ready'"
ALLOWED = {"security_opt": ["seccomp=unconfined"]}


@pytest.fixture(params=["docker_28", "podman_5"])
def newer(request: pytest.FixtureRequest) -> NewerEngine:
    found: NewerEngine = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def stage(newer: NewerEngine) -> Iterator[Stage]:
    with Stage(newer.images) as stage:
        yield stage


def look(newer: NewerEngine, source: str, stage: Stage) -> Engine:
    image = stage.images.with_shell(())
    return Engine(newer.url, source=source, helper_image=image if source == "helper" else None)


def heard(container: Container) -> set[str]:
    return {f"{x} {x.kind}" for x in container.listeners}


class TestTheHostNetworkIsTheEngines:
    """Each of these engines is in a network namespace that the first process is not in."""

    @pytest.mark.parametrize("source", LOCAL)
    def test_a_container_there_has_its_own_listeners(
        self, newer: NewerEngine, stage: Stage, source: str
    ) -> None:
        one = stage.run("tcp:0.0.0.0:7081", name="one", exposes=("7081",), network_mode="host")
        two = stage.run("tcp:0.0.0.0:7082", name="two", network_mode="host")
        assert {":7081", ":7082"} <= {
            x.split()[3][7:] for x in newer.command("ss", "-Htln").splitlines()
        }
        with closing(look(newer, source, stage)) as engine:
            seen = {x: engine.container(x.name) for x in (one, two)}
        assert set(map(str, seen[one].listeners)) == {"0.0.0.0:7081/tcp"}
        assert set(map(str, seen[two].listeners)) == {"0.0.0.0:7082/tcp"}
        assert all(x.at_host for x in seen.values())

    @pytest.mark.parametrize("source", ["helper", "exec"])
    def test_others_see_it_there_too(self, newer: NewerEngine, stage: Stage, source: str) -> None:
        one = stage.script("listener tcp:0.0.0.0:7081 ready", network_mode="host")
        with closing(look(newer, source, stage)) as engine:
            seen = engine.container(one.name)
        assert (seen.source, seen.at_host) == (source, True)
        assert "0.0.0.0:7081/tcp" in {str(x) for x in seen.listeners}

    @pytest.mark.parametrize("source", LOCAL)
    def test_one_that_left_it_is_not_there(
        self, newer: NewerEngine, stage: Stage, source: str
    ) -> None:
        gone = stage.script(LEAVE, network_mode="host", **ALLOWED)
        with (
            closing(look(newer, source, stage)) as engine,
            pytest.raises(ObservationError, match="they have left it"),
        ):
            engine.container(gone.name)


class TestWithoutAnIpv4Address:
    @pytest.mark.parametrize("source", SOURCES)
    def test_one_that_left_no_network_is_not_seen(
        self, newer: NewerEngine, stage: Stage, source: str
    ) -> None:
        gone = stage.script(LEAVE, name="gone", network_mode="none", **ALLOWED)
        stays = stage.script("listener tcp:0.0.0.0:80 ready", name="stays", network_mode="none")
        with closing(look(newer, source, stage)) as engine:
            assert heard(engine.container(stays.name)) == {"0.0.0.0:80/tcp unreachable"}
            with pytest.raises(ObservationError, match=r"left it|is unknown"):
                engine.container(gone.name)

    @pytest.mark.parametrize("source", SOURCES)
    def test_one_that_left_a_network_of_ipv6_is_not_seen(
        self, docker_28: NewerEngine, stage_28: Stage, source: str
    ) -> None:
        name = f"{stage_28.name}-v6"
        options = ("--ipv6", "--ipv4=false", "--subnet=fd00:53::/64")
        docker_28.command("docker", "network", "create", *options, name)
        try:
            gone = stage_28.script(LEAVE, name="gone", network=name, **ALLOWED)
            stays = stage_28.script("listener tcp:[::]:80 ready", name="stays", network=name)
            with closing(look(docker_28, source, stage_28)) as engine:
                assert heard(engine.container(stays.name)) == {"[::]:80/tcp reachable"}
                with pytest.raises(ObservationError, match="they have left it"):
                    engine.container(gone.name)
        finally:
            stage_28.client.api.remove_container(gone.id, force=True)
            stage_28.client.api.remove_container(stays.id, force=True)
            docker_28.command("docker", "network", "rm", name)


class TestNetworkOfAFile:
    """`podman run --network ns:PATH`: any two containers may share it."""

    @pytest.fixture
    def members(self, podman_5: NewerEngine) -> Iterator[tuple[str, str]]:
        with Stage(podman_5.images) as stage:
            image = stage.images.with_shell(())
            podman_5.command("ip", "netns", "add", stage.name)
            names = (f"{stage.name}-one", f"{stage.name}-two")
            try:
                for number, name in enumerate(names):
                    run = ("podman", "run", "--detach", "--name", name)
                    file = f"ns:/run/netns/{stage.name}"
                    script = f"exec listener tcp:0.0.0.0:{80 + number}"
                    podman_5.command(*run, "--network", file, image, script)
                    wait_until(
                        lambda port=80 + number: (
                            f":{port} "
                            in podman_5.command("ip", "netns", "exec", stage.name, "ss", "-Htln")
                        ),
                        "it listens",
                    )
                yield names
            finally:
                podman_5.command("podman", "rm", "--force", "--time=0", *names, check=False)
                podman_5.command("ip", "netns", "delete", stage.name)

    def test_who_holds_a_socket_tells_them_apart(
        self, podman_5: NewerEngine, members: tuple[str, str]
    ) -> None:
        with Engine(podman_5.url, source="netlink") as engine:
            one, two = (engine.container(x) for x in members)
        assert {str(x) for x in one.listeners} == {"0.0.0.0:80/tcp"}
        assert {str(x) for x in two.listeners} == {"0.0.0.0:81/tcp"}
        assert [x.name for x in one.neighbours] == [two.name]

    def test_exec_charges_neither_with_the_others(
        self, podman_5: NewerEngine, members: tuple[str, str]
    ) -> None:
        with Engine(podman_5.url, source="exec") as engine:
            for name in members:
                seen = engine.container(name)
                assert {x.kind for x in seen.listeners} == {"unattributed"}
                with pytest.raises(ObservationError, match="is unknown"):
                    _ = seen.findings
