"""Where publications lead on docker 28 and podman 5: what connecting shows is what is judged."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from docker.types import IPAMConfig, IPAMPool, Ulimit
from stage import RUN, Stage, remove_containers, wait_until

from pytest_exposed import Engine, ObservationError, Publication, container_publishes

if TYPE_CHECKING:
    from pytest_exposed import Container

OUTSIDE = {4: "198.51.100.7", 6: "fd77::7"}
"""Addresses of the engine's host that are not loopback's: rules of netavark leave [::1] out."""

ANY = "0.0.0.0"  # noqa: S104  # published by the engine
ANY4, ANY6, DUAL = "tcp:0.0.0.0:80", "tcp6only:[::]:80", "tcp:[::]:80"


def found(container: Container) -> set[str]:
    return {str(x) for x in container.findings}


def outside(engine: Any) -> None:
    """Give the engine's host its addresses."""
    for version, address in OUTSIDE.items():
        length = 24 if version == 4 else 64
        if address not in engine.command("ip", f"-{version}", "address", "show", "dev", "lo"):
            engine.command("ip", "address", "add", f"{address}/{length}", "dev", "lo")


def answers(engine: Any, address: str, port: int) -> bool:
    """Return whether a listener keeps a connection, which it never answers.

    Where nothing is behind, the engine's proxy ends it. 28 is curl's exit code for a timeout.
    """
    host = f"[{address}]" if ":" in address else address
    words = ("-s", "-m", "2", "-w", "%{exitcode}", f"http://{host}:{port}/")
    return str(engine.command("curl", *words, check=False)).strip().endswith("28")


def version_of(one: Publication) -> int:
    return 6 if ":" in one.host_ip else 4


class Docker:
    """Networks and containers of one test, by the docker command: the SDK knows not all options."""

    def __init__(self, engine: Any, stage: Stage) -> None:
        self.engine = engine
        self._stage = stage
        self._networks: list[str] = []
        outside(engine)

    def __call__(self, *words: str) -> str:
        return str(self.engine.command("docker", "-H", self.engine.url, *words))

    def network(self, name: str, *options: str) -> str:
        full_name = f"{name}-{self._stage.name}"
        self("network", "create", f"--label={RUN}={self._stage.images.run}", *options, full_name)
        self._networks.append(full_name)
        return full_name

    def run(
        self, words: str, *options: str, join: str = "", exposes: tuple[str, ...] = ("80",)
    ) -> Container:
        """Run a listener, connected to a further network before it starts, and look at it."""
        image = self._stage.images.build(exposes=exposes)
        name = f"{self._stage.name}-app"
        labels = (f"--label={RUN}={self._stage.images.run}", f"--label={self._stage.label}")
        self("create", "--name", name, *labels, *options, image, words, "ready")
        if join:
            self("network", "connect", join, name)
        self("start", name)
        wait_until(lambda: "ready" in self("logs", name), f"{name} is ready")
        with Engine(self.engine.url) as engine:
            return engine.container(name)

    def answers(self, one: Publication) -> bool:
        """Return whether what is published answers at one of the host's addresses."""
        address = OUTSIDE[version_of(one)] if one.is_everywhere else one.host_ip
        return answers(self.engine, address, one.host_port)

    def await_answers(self, seen: Container, right: dict[int, bool]) -> None:
        """Wait until each publication answers, or doesn't, by the version of IP."""
        for one in seen.published:
            wanted = right[version_of(one)]
            wait_until(partial(self._is, one, wanted), f"{one} answers: {wanted}")

    def _is(self, one: Publication, wanted: bool) -> bool:
        return self.answers(one) is wanted

    def clear(self) -> None:
        remove_containers(self._stage.client, {"label": self._stage.label})
        for name in self._networks:
            self("network", "rm", name)


@pytest.fixture
def docker(docker_28: Any, stage_28: Stage) -> Iterator[Docker]:
    docker = Docker(docker_28, stage_28)
    yield docker
    docker.clear()


class TestDocker:
    V4 = ("--subnet", "10.201.0.0/24")
    BOTH = ("--ipv6", "--subnet", "10.202.0.0/24", "--subnet", "fd02::/64")
    V6 = ("--ipv6", "--ipv4=false", "--subnet", "fd03::/64")

    @pytest.mark.parametrize(
        ("words", "host", "right"),
        [
            (ANY4, "", True),
            (ANY6, "", True),
            (ANY4, "0.0.0.0:", True),
            (ANY6, "0.0.0.0:", False),
            (ANY4, "[::]:", False),
            (ANY6, "[::]:", True),
            (DUAL, "[::]:", True),
        ],
    )
    def test_a_dual_stack_network(self, words: str, host: str, right: bool, docker: Docker) -> None:
        seen = docker.run(words, "--network", docker.network("b", *self.BOTH), f"-p={host}8080:80")
        both = {4: words != ANY6, 6: words != ANY4}
        docker.await_answers(seen, both)
        assert any(both[version_of(x)] for x in seen.published) is right
        assert found(seen) == (set() if right else {"unreachable 80/tcp"})

    @pytest.mark.parametrize("words", ["tcp:[::1]:80", ANY4])
    @pytest.mark.parametrize("options", [(), ("-p=8080:80",)])
    def test_advice_in_an_ipv6_only_network(
        self, words: str, options: tuple[str, ...], docker: Docker
    ) -> None:
        """0.0.0.0 would be the next finding."""
        name = docker.network("c", *self.V6)
        seen = docker.run(words, "--network", name, *options)
        assert not any(docker.answers(x) for x in seen.published)
        (finding,) = seen.findings
        assert finding.rule == "unreachable"
        assert finding.fix.startswith("bind [::]:80")

    def test_what_is_bound_as_advised_in_an_ipv6_only_network(self, docker: Docker) -> None:
        seen = docker.run(DUAL, "--network", docker.network("c", *self.V6), "-p=8080:80")
        docker.await_answers(seen, {6: True})
        assert (found(seen), [x.host_ip for x in seen.published]) == (set(), ["::"])

    def test_an_ipv4_publication_has_no_effect_in_an_ipv6_only_network(
        self, docker: Docker
    ) -> None:
        name = docker.network("c", *self.V6)
        seen = docker.run(DUAL, "--network", name, "-p=127.0.0.1:8080:80")
        assert not answers(docker.engine, "127.0.0.1", 8080)
        assert (seen.published, found(seen)) == ((), set())
        assert f"-p 80/tcp has no effect with --network {name}" in seen.notes

    @pytest.mark.parametrize(
        ("words", "right"),
        [(ANY4, {4: True, 6: False}), (ANY6, {4: False, 6: True}), (DUAL, {4: True, 6: True})],
    )
    def test_two_networks_of_a_family_each(
        self, words: str, right: dict[int, bool], docker: Docker
    ) -> None:
        one, other = docker.network("a", *self.V4), docker.network("c", *self.V6)
        published = ("-p=0.0.0.0:8080:80", "-p=[::]:8081:80")
        seen = docker.run(words, "--network", one, *published, join=other)
        docker.await_answers(seen, right)
        assert found(seen) == (set() if all(right.values()) else {"unreachable 80/tcp"})

    @pytest.mark.parametrize("other", ["10.204.0.0/24", "10.204.0.0/24 fd04::/64"])
    @pytest.mark.parametrize("priority", [-1, 1])
    def test_the_priority_of_a_network(self, priority: int, other: str, docker: Docker) -> None:
        """28.5 keeps it among networks of as many gateways."""
        one = docker.network("b", *self.BOTH)
        ipv6 = ("--ipv6",) if ":" in other else ()
        joined = docker.network("d", *ipv6, *(f"--subnet={x}" for x in other.split()))
        chosen = f"name={one},ip=10.202.0.9,gw-priority={priority}"
        published = "-p=0.0.0.0:8080:80"
        seen = docker.run("tcp:10.202.0.9:80", "--network", chosen, published, join=joined)
        is_reached = docker.answers(seen.published[0])
        assert is_reached is (priority == 1 or not ipv6)  # what the engine does
        assert found(seen) == (set() if is_reached else {"unreachable 80/tcp"})

    def test_a_publication_has_no_effect_where_macvlan_has_the_default_route(
        self, docker: Docker
    ) -> None:
        docker.engine.command("ip", "link", "add", "macvlans", "type", "veth", "peer", "macvlanp")
        bridge = docker.network("a", *self.V4)
        options = ("-d", "macvlan", "--subnet", "10.206.0.0/24", "-o", "parent=macvlans")
        name = docker.network("m", *options)
        chosen = f"name={name},gw-priority=1"
        seen = docker.run(ANY4, "--network", chosen, "-p=8080:80", join=bridge)
        assert not answers(docker.engine, "127.0.0.1", 8080)
        assert (seen.published, found(seen)) == ((), set())
        both = ", ".join(sorted((bridge, name)))
        assert f"-p 80/tcp has no effect in its networks {both}" in seen.notes

    class TestRouted:
        ROUTED = (
            *("--subnet", "10.205.0.0/24"),
            *("-o", "com.docker.network.bridge.gateway_mode_ipv4=routed"),
        )

        @pytest.mark.parametrize(
            ("words", "port", "exposes", "expected"),
            [
                (ANY4, 80, ("80",), set()),
                (ANY4, 81, ("80",), {"published-silent 81/tcp"}),
                (ANY4, 80, (), {"published-undocumented 80/tcp"}),
                ("tcp:127.0.0.1:80", 80, ("80",), {"unreachable 80/tcp"}),
            ],
        )
        def test_a_port_is_open_without_one_of_the_host(
            self,
            words: str,
            port: int,
            exposes: tuple[str, ...],
            expected: set[str],
            docker: Docker,
        ) -> None:
            name = docker.network("r", *self.ROUTED)
            published = f"-p=0.0.0.0:8050:{port}"
            seen = docker.run(words, "--network", name, published, exposes=exposes)
            (one,) = seen.published
            assert (one.host_port, one.endpoint) == (0, "0.0.0.0 (routed)")
            assert not answers(docker.engine, OUTSIDE[4], 8050)
            is_open = expected <= {"published-undocumented 80/tcp"}
            assert answers(docker.engine, "10.205.0.2", one.port.number) is is_open
            assert found(seen) == expected
            with Engine(docker.engine.url) as engine:
                assert container_publishes(engine, seen.name, one.port)
                assert not container_publishes(engine, seen.name, f"8050:{one.port}")


class Podman:
    """Networks and containers of one test."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self._api = engine.client.api
        self._image = engine.images.build(exposes=("80",))
        self._networks: list[Any] = []
        self._containers: list[str] = []
        outside(engine)

    def network(self, name: str, *subnets: str, **options: Any) -> str:
        pools = IPAMConfig(pool_configs=[IPAMPool(subnet=x) for x in subnets])
        ipv6 = any(":" in x for x in subnets)
        networks = self.engine.client.networks
        self._networks.append(networks.create(name, ipam=pools, enable_ipv6=ipv6, **options))
        return name

    def run(self, words: str, host_ip: str | None, **networks: str | None) -> Container:
        """Run a listener in networks, with addresses there, and look at it."""
        api = self._api
        bindings = {80: 8080 if host_ip is None else (host_ip, 8080)}
        limits = [Ulimit(name=x, soft=1024, hard=1024) for x in ("nofile", "nproc")]
        mode = next(iter(networks))
        host = api.create_host_config(ulimits=limits, port_bindings=bindings, network_mode=mode)
        ends = {k: api.create_endpoint_config(ipv4_address=x) for k, x in networks.items()}
        created = api.create_container(
            self._image,
            [words, "ready"],
            host_config=host,
            ports=[(80, "tcp")],
            networking_config={"EndpointsConfig": ends},
        )
        self._containers.append(created["Id"])
        api.start(created["Id"])
        wait_until(lambda: b"ready" in api.logs(created["Id"]), "it is ready")
        with Engine(self.engine.url) as engine:
            return engine.container(str(created["Id"]))

    def answers(self, version: int) -> bool:
        return answers(self.engine, OUTSIDE[version], 8080)

    def clear(self) -> None:
        for container in self._containers:
            self._api.remove_container(container, force=True)
        for network in self._networks:
            network.remove()


@pytest.fixture
def podman(podman_5: Any) -> Iterator[Podman]:
    podman = Podman(podman_5)
    yield podman
    podman.clear()


class TestPodman:
    @pytest.mark.parametrize(
        ("words", "host_ip", "right"),
        [
            (ANY4, None, {4: True, 6: False}),
            # Without an address, it is for both families.
            (ANY6, None, {4: False, 6: True}),
            (DUAL, None, {4: True, 6: True}),
            (ANY6, ANY, {4: False, 6: False}),
            (ANY4, "::", {4: False, 6: False}),
            (ANY6, "::", {4: False, 6: True}),
        ],
    )
    def test_a_dual_stack_network(
        self,
        words: str,
        host_ip: str | None,
        right: dict[int, bool],
        podman: Podman,
    ) -> None:
        name = podman.network("b46", "10.222.0.0/24", "fd12::/64")
        seen = podman.run(words, host_ip, **{name: None})
        for version, wanted in right.items():
            is_so = partial(lambda x, y: podman.answers(x) is y, version, wanted)
            wait_until(is_so, f"IPv{version} answers: {wanted}")
        assert found(seen) == (set() if any(right.values()) else {"unreachable 80/tcp"})

    @pytest.mark.parametrize("bound", ["10.221.0.9", "10.223.0.9"])
    def test_of_two_networks_nothing_tells_which(self, bound: str, podman: Podman) -> None:
        names = [podman.network(f"n{x}", f"10.{x}.0.0/24") for x in (221, 223)]
        networks = dict(zip(names, ("10.221.0.9", "10.223.0.9"), strict=True))
        seen = podman.run(f"tcp:{bound}:80", None, **networks)
        with pytest.raises(ObservationError, match=r"comes first is unknown; bind 0\.0\.0\.0:80"):
            _ = seen.findings

    def test_of_two_networks_a_server_on_all_addresses_answers(self, podman: Podman) -> None:
        names = [podman.network(f"n{x}", f"10.{x}.0.0/24") for x in (221, 223)]
        seen = podman.run(ANY4, None, **dict.fromkeys(names))
        assert podman.answers(4)
        assert found(seen) == set()

    @pytest.mark.parametrize("bound", ["10.221.0.9", "10.224.0.9"])
    def test_an_internal_network_is_not_forwarded_to(self, bound: str, podman: Podman) -> None:
        names = [
            podman.network("n221", "10.221.0.0/24"),
            podman.network("n224", "10.224.0.0/24", internal=True),
        ]
        networks = dict(zip(names, ("10.221.0.9", "10.224.0.9"), strict=True))
        seen = podman.run(f"tcp:{bound}:80", None, **networks)
        right = bound == "10.221.0.9"
        assert podman.answers(4) is right
        assert found(seen) == (set() if right else {"unreachable 80/tcp"})

    def test_one_in_an_internal_network_alone_is_led_to_nowhere(self, podman: Podman) -> None:
        """Podman itself keeps the host's port, and takes connections that nobody answers."""
        name = podman.network("n224", "10.224.0.0/24", internal=True)
        seen = podman.run(ANY4, None, **{name: None})
        (finding,) = seen.findings
        assert "which the engine forwards to no address of" in finding.message
