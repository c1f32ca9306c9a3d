"""What a listener is bound to, and who can reach it there."""

from __future__ import annotations

import re
import secrets
import socket
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from docker.types import IPAMConfig, IPAMPool
from stage import wait_until

from pytest_exposed import ObservationError, container_listens_on

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from docker.models.networks import Network
    from stage import Stage, Staged

    from pytest_exposed import Container, Engine


def kinds(container: Container) -> dict[str, str]:
    """Return the kind of each listener by its address and port."""
    return {str(x): x.kind for x in container.listeners}


def found(container: Container) -> set[str]:
    """Return the findings: "silent 80/tcp"."""
    return {str(x) for x in container.findings}


def pool(subnet: str) -> IPAMConfig:
    """Return the addresses of a network."""
    return IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)])


ANY = "0.0.0.0"  # noqa: S104  # it is bound by containers, and by the engine

BOUND = (
    "tcp:0.0.0.0:80",
    "tcp:[::]:81",
    "tcp:[::ffff:0.0.0.0]:82",
    "tcp:127.0.0.1:83",
    "tcp:127.9.9.9:84",
    "tcp:[::ffff:127.0.0.1]:86",
    "device:eth0:tcp:0.0.0.0:87",
    "udp:224.0.0.251:5353",
)


@pytest.fixture(scope="module")
def many(shared_stage: Stage) -> str:
    """A container on the default bridge, where it has no IPv6 address."""
    return shared_stage.run(*BOUND, exposes=("80-84", "86-87", "5353/udp")).name


def test_wildcards_are_reachable_and_loopback_is_not(look: Engine, many: str) -> None:
    expected = """
        80/tcp    0.0.0.0           reachable
        81/tcp    ::                reachable
        82/tcp    ::ffff:0.0.0.0    reachable
        83/tcp    127.0.0.1         loopback
        84/tcp    127.9.9.9         loopback
        86/tcp    ::ffff:127.0.0.1  loopback
        87/tcp    0.0.0.0           reachable
        5353/udp  224.0.0.251       reachable
    """
    listeners = look.container(many).listeners
    assert {(str(x.port), ip_address(x.address), x.kind) for x in listeners} == {
        (port, ip_address(address), kind)
        for port, address, kind in map(str.split, expected.strip().splitlines())
    }


def test_what_only_loopback_reaches_is_a_finding(look: Engine, many: str) -> None:
    container = look.container(many)
    assert found(container) == {f"unreachable {x}/tcp" for x in (83, 84, 86)}
    assert container.listening == {"80-82/tcp", "87/tcp", "5353/udp"}


class TestBoundToLoopbacksDevice:
    """A wildcard address, but by SO_BINDTODEVICE only what comes in on lo: netlink tells it."""

    @pytest.fixture
    def name(self, stage: Stage) -> str:
        return stage.run("device:lo:tcp:0.0.0.0:80", exposes=("80",)).name

    def test_netlink_knows(self, netlink: Engine, name: str) -> None:
        container = netlink.container(name)
        assert kinds(container) == {"0.0.0.0:80/tcp": "loopback"}
        assert found(container) == {"unreachable 80/tcp"}

    def test_procfs_cannot_know(self, procfs: Engine, name: str) -> None:
        container = procfs.container(name)
        assert kinds(container) == {"0.0.0.0:80/tcp": "reachable"}
        assert found(container) == set()


class TestIPv6Only:
    """Where the container has no IPv6 address, nothing outside reaches it: netlink tells it."""

    @pytest.fixture
    def name(self, stage: Stage) -> str:
        return stage.run("tcp6only:[::]:80", "udp6only:[::]:53", exposes=("80", "53/udp")).name

    def test_netlink_knows(self, netlink: Engine, name: str) -> None:
        container = netlink.container(name)
        assert kinds(container) == {"[::]:80/tcp": "unreachable", "[::]:53/udp": "unreachable"}
        assert all(x.v6only for x in container.listeners)
        assert found(container) == {"unreachable 80/tcp", "unreachable 53/udp"}
        assert all("IPv6-only" in x.message for x in container.findings)
        assert not container.listening
        check = container_listens_on(netlink, name, 80)
        why = r" \([^()]+ \(pid 1\), IPv6-only, unreachable: the container lacks an IPv6 address\)"
        assert re.search(why, repr(check))

    def test_procfs_cannot_know(self, procfs: Engine, name: str) -> None:
        # /proc shows an IPv6-only socket and a dual-stack one alike: it is taken for the latter.
        container = procfs.container(name)
        assert kinds(container) == {"[::]:80/tcp": "reachable", "[::]:53/udp": "reachable"}
        assert not any(x.v6only for x in container.listeners)
        assert found(container) == set()


def in_two_networks(stage: Stage, prefixes: Sequence[str], *words: str, **options: Any) -> Staged:
    """Run a container that has the address .9 in two networks, made for the first of them."""
    networks = [stage.network(ipam=pool(f"{x}.0/24")) for x in prefixes]
    one, two = (f"{x}.9" for x in prefixes)
    endpoint = stage.client.api.create_endpoint_config(ipv4_address=one)
    container = stage.create(
        *words,
        network=networks[0].name,
        networking_config={networks[0].name: endpoint},
        **options,
    )
    networks[1].connect(container.sdk, ipv4_address=two)
    container.start()
    return container


@pytest.fixture(scope="module")
def ipv6_network(shared_stage: Stage) -> Network:
    subnet = f"fd00:{secrets.token_hex(2)}:{secrets.token_hex(2)}::/64"
    return shared_stage.network(enable_ipv6=True, ipam=pool(subnet))


def test_ipv6_only_is_reachable_with_an_ipv6_address(
    looks: list[Engine], ipv6_network: Network, stage: Stage
) -> None:
    container = stage.run(
        "tcp6only:[::]:80",
        "tcp:[::]:81",
        "tcp:[::1]:82",
        exposes=("80-82",),
        network=ipv6_network.name,
    )
    for look in looks:
        seen = look.container(container.name)
        assert kinds(seen) == {
            "[::]:80/tcp": "reachable",
            "[::]:81/tcp": "reachable",
            "[::1]:82/tcp": "loopback",
        }
        assert found(seen) == {"unreachable 82/tcp"}


class TestTwoNetworks:
    """A listener bound to the address in one of them."""

    @pytest.fixture
    def prefixes(self) -> list[str]:
        """The beginnings of the addresses in two networks that no one else has."""
        return [f"10.{x}.{secrets.randbelow(256)}" for x in (213, 214)]

    def test_it_is_reachable_as_long_as_it_has_the_address(
        self, looks: list[Engine], stage: Stage, prefixes: list[str]
    ) -> None:
        first, second = (stage.network(ipam=pool(f"{x}.0/24")) for x in prefixes)
        one, two = (f"{x}.9" for x in prefixes)
        endpoint = stage.client.api.create_endpoint_config(ipv4_address=one)
        container = stage.create(
            f"tcp:{one}:80",
            f"tcp:{two}:81",
            "ready",
            exposes=("80-81",),
            network=first.name,
            networking_config={first.name: endpoint},
        )
        second.connect(container.sdk, ipv4_address=two)
        container.start()
        for look in looks:
            seen = look.container(container.name)
            assert kinds(seen) == {f"{one}:80/tcp": "reachable", f"{two}:81/tcp": "reachable"}
            assert found(seen) == set()

        second.disconnect(container.sdk)
        for look in looks:
            seen = look.container(container.name)
            assert kinds(seen)[f"{two}:81/tcp"] == "unreachable"
            assert found(seen) == {"unreachable 81/tcp"}


def _noting(inspect: Callable[[Any], Any], asked: list[str], listed: Any) -> Any:
    asked.append(listed.name)
    return inspect(listed)


class TestPublishedToOneAddress:
    """A publication leads to one address: that in the network of the engine's choice."""

    @pytest.fixture
    def looks(self, looks: list[Engine], helper: Engine) -> list[Engine]:
        return [*looks, helper]

    @pytest.fixture
    def prefixes(self) -> list[str]:
        return [f"10.{x}.{secrets.randbelow(256)}" for x in (215, 216)]

    @pytest.fixture
    def run(self, stage: Stage, prefixes: list[str]) -> Callable[[str], str]:
        """Run a listener in two networks, published through the first of their names."""

        def run(address: str) -> str:
            options = {"exposes": ("80",), "ports": {"80/tcp": ("127.0.0.1",)}}
            return in_two_networks(stage, prefixes, f"tcp:{address}:80", "ready", **options).name

        return run

    @pytest.mark.parametrize("place", [0, 1])
    def test_a_listener_in_one_of_two_networks(
        self, place: int, looks: list[Engine], run: Callable[[str], str], prefixes: list[str]
    ) -> None:
        name = run(f"{prefixes[place]}.9")
        for look in looks:
            seen = look.container(name)
            (published,) = seen.published
            is_served = served(published.host_port)
            assert is_served is (place == 0)  # what the engine does; or this proves nothing
            assert found(seen) == (set() if is_served else {"unreachable 80/tcp"})
            if not is_served:
                assert f"which leads to {prefixes[0]}.9, and " in seen.findings[0].message

    @pytest.mark.parametrize("place", [0, 1])
    def test_a_route_of_the_containers_own_changes_nothing(
        self, place: int, looks: list[Engine], stage: Stage, prefixes: list[str]
    ) -> None:
        # The engine led the publication to the first network before the container went elsewhere.
        container = in_two_networks(
            stage,
            prefixes,
            f"ip route replace default via {prefixes[1]}.1; "
            f"exec listener tcp:{prefixes[place]}.9:80 ready",
            image=stage.images.with_shell(["80"]),
            ports={"80/tcp": ("127.0.0.1",)},
            cap_add=["NET_ADMIN"],
        )
        for look in looks:
            seen = look.container(container.name)
            is_served = served(seen.published[0].host_port)
            assert is_served is (place == 0)
            assert found(seen) == (set() if is_served else {"unreachable 80/tcp"})

    @pytest.mark.parametrize("names", ["ab", "ba"])
    def test_a_network_that_it_joined_later(
        self, names: str, looks: list[Engine], stage: Stage, prefixes: list[str]
    ) -> None:
        """Of two networks with as many gateways, that of the lower name has the publication."""
        networks = [
            stage.network(prefix=f"{name}-", ipam=pool(f"{x}.0/24"))
            for name, x in zip(names, prefixes, strict=True)
        ]
        endpoint = stage.client.api.create_endpoint_config(ipv4_address=f"{prefixes[0]}.9")
        container = stage.run(
            f"tcp:{prefixes[0]}.9:80",
            exposes=("80",),
            ports={"80/tcp": ("127.0.0.1",)},
            network=networks[0].name,
            networking_config={networks[0].name: endpoint},
        )
        for look in looks:
            assert found(look.container(container.name)) == set()
        networks[1].connect(container.sdk, ipv4_address=f"{prefixes[1]}.9")
        for look in looks:
            seen = look.container(container.name)
            is_served = served(seen.published[0].host_port)
            assert is_served is (names == "ab")
            assert found(seen) == (set() if is_served else {"unreachable 80/tcp"})
        networks[1].disconnect(container.sdk)
        for look in looks:
            seen = look.container(container.name)
            assert served(seen.published[0].host_port)
            assert found(seen) == set()

    def test_nothing_tells_where_a_listener_is_bound_to_a_device(
        self, netlink: Engine, stage: Stage, prefixes: list[str]
    ) -> None:
        """Engines differ in which network's eth1 is; procfs shows no device."""
        options = {"exposes": ("80",), "ports": {"80/tcp": ("127.0.0.1",)}}
        word = "device:eth1:tcp:0.0.0.0:80"
        container = in_two_networks(stage, prefixes, word, "ready", **options)
        seen = netlink.container(container.name)
        with pytest.raises(ObservationError, match=r"is unknown: .*, on no device"):
            _ = seen.findings

    def test_a_listener_in_both(
        self, looks: list[Engine], run: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = run("0.0.0.0")  # noqa: S104  # in a container
        for look in looks:
            asked: list[str] = []
            inspect = look.observer.inspect
            noting = partial(_noting, inspect, asked)
            monkeypatch.setattr(look.observer, "inspect", noting)
            seen = look.container(name)
            assert served(seen.published[0].host_port)
            assert found(seen) == set()
            # It answers in each network; all but netlink ask for the ports for clients.
            assert asked == [] or look.observer.source != "netlink"

    def test_an_address_of_the_container_s_own_making(
        self, looks: list[Engine], stage: Stage
    ) -> None:
        network = stage.network()
        container = stage.script(
            "ip address add 10.217.0.1/16 dev eth0; exec /bin/listener tcp:10.217.0.1:80 ready",
            exposes=("80",),
            network=network.name,
            cap_add=["NET_ADMIN"],
            ports={"80/tcp": ("127.0.0.1",)},
        )
        for look in looks:
            seen = look.container(container.name)
            assert not served(seen.published[0].host_port)
            assert found(seen) == {"unreachable 80/tcp"}

    @pytest.mark.parametrize(
        ("word", "host", "right"),
        [
            ("tcp:0.0.0.0:80", "::1", False),
            ("tcp:0.0.0.0:80", "127.0.0.1", True),
            ("tcp6only:[::]:80", "127.0.0.1", False),
            ("tcp6only:[::]:80", "::1", True),
            ("tcp:[::]:80", "::1", True),
            ("tcp:[::]:80", "127.0.0.1", True),
        ],
    )
    def test_of_ipv4_and_ipv6(
        self, word: str, host: str, right: bool, looks: list[Engine], stage: Stage
    ) -> None:
        subnet = f"fd00:{secrets.randbelow(65536):x}:{secrets.randbelow(65536):x}::/64"
        network = stage.network(enable_ipv6=True, ipam=pool(subnet))
        container = stage.run(
            word, exposes=("80",), network=network.name, ports={"80/tcp": (host,)}
        )
        for look in looks:
            seen = look.container(container.name)
            # That a socket is of IPv6 alone is what only netlink tells.
            is_right = right or (word.startswith("tcp6only") and look.observer.source != "netlink")
            assert found(seen) == (set() if is_right else {"unreachable 80/tcp"})


class TestTwoOptions:
    """Each -p is judged; one that is for IPv4 and IPv6 answers where one of these does."""

    @pytest.fixture
    def network(self, stage: Stage) -> Network:
        subnet = f"fd00:{secrets.randbelow(65536):x}:{secrets.randbelow(65536):x}::/64"
        return stage.network(enable_ipv6=True, ipam=pool(subnet))

    @pytest.mark.parametrize(
        ("hosts", "expected"),
        [
            ((None,), set()),
            (((ANY, 0),), set()),
            (((ANY, 0), ("::", 0)), {"unreachable 80/tcp"}),
            ((("127.0.0.1", 0), ("::1", 0)), {"unreachable 80/tcp"}),
            ((None, ("127.0.0.1", 0)), set()),
            ((None, ("::1", 0)), {"unreachable 80/tcp"}),
        ],
    )
    def test_a_server_on_ipv4_alone(
        self, hosts: Any, expected: set[str], looks: list[Engine], stage: Stage, network: Network
    ) -> None:
        # Docker 28 chooses one port for a -p without address and one with, and then refuses it.
        ports = [(x[0], free_port(x[0])) if x and None in hosts else x for x in hosts]
        container = stage.run(
            "tcp:0.0.0.0:80", exposes=("80",), network=network.name, ports={"80/tcp": ports}
        )
        observed = [x.container(container.name) for x in looks]
        for one in observed[0].published:
            is_ipv6 = ":" in one.host_ip
            host = "::1" if is_ipv6 else "127.0.0.1"
            # A new IPv6 address is not answered at for a second (duplicate address detection).
            wait_until(
                lambda port=one.host_port, host=host, right=not is_ipv6: (  # type: ignore[misc]
                    served(port, host) is right
                ),
                f"{one} answers: {not is_ipv6}",
            )
        for seen in observed:
            assert found(seen) == expected
            for finding in seen.findings:
                assert ANY not in finding.message.partition("which leads to")[0]


def free_port(host: str) -> int:
    """Return a port of this machine that nothing is bound to."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as free:
        free.bind((host, 0))
        return int(free.getsockname()[1])


def served(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether a listener keeps a connection to a port of this machine.

    The engine's proxy takes it in any case, and ends it where nothing is behind. That may be late
    where it is the first to look for the address, which takes a second now and then.
    """
    return all(_is_kept(port, host, seconds) for seconds in (1, 0.5))


def _is_kept(port: int, host: str, seconds: float) -> bool:
    with socket.create_connection((host, port), 10) as connection:
        connection.settimeout(seconds)
        try:
            return connection.recv(1) != b""
        except TimeoutError:
            return True
        except ConnectionResetError:
            return False


class TestEphemeral:
    """UDP ports of the range for clients, where nothing names them."""

    def test_the_default_range(self, looks: list[Engine], stage: Stage) -> None:
        container = stage.run(
            "udp:0.0.0.0:32767-32768",
            "udp:0.0.0.0:60999-61000",
            "udp:0.0.0.0:50000",
            "tcp:0.0.0.0:50000",
            exposes=("50000/udp",),
        )
        for look in looks:
            seen = look.container(container.name)
            assert kinds(seen) == {
                "0.0.0.0:32767/udp": "reachable",
                "0.0.0.0:32768/udp": "ephemeral",
                "0.0.0.0:50000/tcp": "reachable",
                "0.0.0.0:50000/udp": "reachable",
                "0.0.0.0:60999/udp": "ephemeral",
                "0.0.0.0:61000/udp": "reachable",
            }
            unnamed = {f"undocumented {x}" for x in ("32767/udp", "61000/udp")}
            assert found(seen) == {*unnamed, "dynamic 50000/tcp"}

    @pytest.mark.parametrize("between", [" ", "\t"])  # as people write it, and as sysctl prints it
    def test_the_namespaces_own_range(
        self, between: str, looks: list[Engine], stage: Stage
    ) -> None:
        container = stage.run(
            "udp:0.0.0.0:2000",
            "udp:0.0.0.0:50000",
            sysctls={"net.ipv4.ip_local_port_range": f"1024{between}4999"},
        )
        expected = {"0.0.0.0:2000/udp": "ephemeral", "0.0.0.0:50000/udp": "reachable"}
        for look in looks:
            assert kinds(look.container(container.name)) == expected

    def test_a_published_port_is_none(self, looks: list[Engine], stage: Stage) -> None:
        container = stage.run("udp:0.0.0.0:50000", ports={"50000/udp": ("127.0.0.1",)})
        for look in looks:
            assert found(look.container(container.name)) == {"published-undocumented 50000/udp"}


def test_sctp_where_the_kernel_has_none_or_nothing_listens(
    looks: list[Engine], stage: Stage
) -> None:
    container = stage.run("tcp:0.0.0.0:9", exposes=("9/sctp", "9/tcp"))
    for look in looks:
        assert found(look.container(container.name)) == {"silent 9/sctp"}


def test_sctp_listener(looks: list[Engine], stage: Stage) -> None:
    """Where the kernel has SCTP; where it has none, no endpoint can exist."""
    words: list[str] = []
    expected = {}
    with suppress(OSError):
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
        words, expected = ["sctp:0.0.0.0:9"], {"0.0.0.0:9/sctp": "reachable"}
    name = stage.run(*words).name
    for look in looks:
        assert kinds(look.container(name)) == expected
