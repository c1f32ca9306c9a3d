"""From sockets to listeners: whose they are, and whether anything outside can reach them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make import ANY, reading, same_address, socket

from pytest_exposed.model import Kind, Listener
from pytest_exposed.model.ports import Ports
from pytest_exposed.sockets.listeners import belongs, listeners
from pytest_exposed.sockets.reading import LOCAL_PORTS, SocketSnapshot, client_ports
from pytest_exposed.sockets.table import Socket

DNS = "127.0.0.11"
MINE, DEEPER, FOREIGN = 10, 11, 99
INODE = 5


def listening(
    one: SocketSnapshot,
    *others: SocketSnapshot,
    named: Any = (),
    local_ports: Collection[int] = LOCAL_PORTS,
) -> tuple[Listener, ...]:
    held = {x for other in (one, *others) for x in other.held or ()}
    return listeners(one, held, Ports.parse(named), local_ports)


def only(one: SocketSnapshot, *others: SocketSnapshot, **rest: Any) -> Listener:
    (found,) = listening(one, *others, **rest)
    return found


# Whose a socket is

HELD, NOT_HELD, UNKNOWN = frozenset({INODE}), frozenset({7}), None


@pytest.mark.parametrize(
    ("cgroup", "held", "shared", "mine"),
    [
        # Who made it is known to be the container: its own, unless another holds it.
        (MINE, HELD, False, True),
        (MINE, NOT_HELD, False, True),
        (MINE, UNKNOWN, False, True),
        (MINE, HELD, True, True),
        (MINE, NOT_HELD, True, True),
        (MINE, UNKNOWN, True, True),
        (DEEPER, UNKNOWN, True, True),
        # Made by somebody else: whoever holds it counts for more.
        (FOREIGN, HELD, False, True),
        (FOREIGN, NOT_HELD, False, False),
        (FOREIGN, UNKNOWN, False, False),
        (FOREIGN, HELD, True, True),
        (FOREIGN, NOT_HELD, True, False),
        (FOREIGN, UNKNOWN, True, False),
        # Who made it is unknown: alone in its namespace it has all there is.
        (None, HELD, False, True),
        (None, NOT_HELD, False, True),
        (None, UNKNOWN, False, True),
        (None, HELD, True, True),
        (None, NOT_HELD, True, False),
        (None, UNKNOWN, True, None),
    ],
)
@pytest.mark.parametrize("address", [ANY, "127.0.0.1", "10.0.0.1", "::"])
def test_whose_a_socket_is(
    cgroup: int | None,
    held: frozenset[int] | None,
    shared: bool,
    mine: bool | None,
    address: str,
) -> None:
    one = socket(80, address, inode=INODE, cgroup=cgroup)
    look = reading(one, cgroups=frozenset({MINE, DEEPER}), held=held, shared=shared)
    assert belongs(one, look) is mine
    kinds = [x.kind == "unattributed" for x in listening(look)]
    assert kinds == {True: [False], False: [], None: [True]}[mine]


@pytest.mark.parametrize("held", [HELD, NOT_HELD, UNKNOWN])
@pytest.mark.parametrize("cgroup", [MINE, FOREIGN])
def test_a_creator_tells_nothing_where_the_own_cgroups_are_unknown(
    held: frozenset[int] | None, cgroup: int
) -> None:
    one = socket(80, inode=INODE, cgroup=cgroup)
    look = reading(one, cgroups=None, held=held, shared=True)
    assert belongs(one, look) is belongs(one._replace(cgroup=None), look)


@pytest.mark.parametrize(
    ("held", "mine"),
    [(HELD, True), (NOT_HELD, False), (UNKNOWN, None)],
)
@pytest.mark.parametrize("cgroup", [MINE, FOREIGN, None])
def test_a_socket_that_a_neighbour_holds(
    cgroup: int | None, held: frozenset[int] | None, mine: bool | None
) -> None:
    one = socket(80, inode=INODE, cgroup=cgroup)
    look = reading(one, cgroups=frozenset({MINE}), held=held, shared=True)
    assert belongs(one, look, HELD) is mine
    # A neighbour that doesn't hold it changes nothing.
    assert belongs(one, look, NOT_HELD) is belongs(one, look)


def test_in_one_namespace_each_socket_is_charged_to_one_container() -> None:
    one, other = socket(80, inode=1, cgroup=10), socket(81, inode=2, cgroup=20)
    kernel = socket(4789, inode=3, cgroup=1, protocol="udp")
    first = reading(one, other, kernel, cgroups=frozenset({10}), shared=True, held=frozenset())
    second = replace(first, cgroups=frozenset({20}))
    assert [str(x) for x in listening(first, second)] == ["0.0.0.0:80/tcp"]
    assert [str(x) for x in listening(second, first)] == ["0.0.0.0:81/tcp"]


def test_an_unattributed_socket_tells_what_it_would_be() -> None:
    look = reading(socket(80), socket(81, "127.0.0.1"), shared=True)
    assert [(x.kind, x.presumed) for x in listening(look)] == [
        ("unattributed", "reachable"),
        ("unattributed", "loopback"),
    ]
    assert only(reading(socket(80))).presumed is None


# Docker's DNS


def dns(port: int = 41001, protocol: str = "tcp", **rest: Any) -> Socket:
    return socket(port, DNS, protocol=protocol, **rest)


def pair(**rest: Any) -> list[Socket]:
    return [dns(41001, "tcp", **rest), dns(40101, "udp", **rest)]


@pytest.mark.parametrize(
    "rest",
    [
        {},
        {"shared": True},
        {"held": NOT_HELD},
        {"held": NOT_HELD, "shared": True},
        {"cgroups": frozenset({MINE})},
    ],
)
def test_docker_s_dns_is_not_the_container_s(rest: dict[str, Any]) -> None:
    assert listening(reading(*pair(), **rest)) == ()
    assert listening(reading(*pair(cgroup=FOREIGN), **rest)) == ()


def test_a_container_s_own_socket_on_that_address_is_its_own() -> None:
    own = dns(5353, "udp", cgroup=MINE, inode=9)
    look = reading(*pair(cgroup=FOREIGN), own, cgroups=frozenset({MINE}))
    assert [str(x) for x in listening(look)] == ["127.0.0.11:5353/udp"]
    assert only(look).kind == "loopback"
    look = reading(*pair(), own, held=frozenset({9}))
    assert [str(x) for x in listening(look)] == ["127.0.0.11:5353/udp"]


def test_without_cgroups_dns_is_known_by_its_looks() -> None:
    own = dns(5353, "udp")
    assert [x.port.number for x in listening(reading(*pair(), own))] == [5353]


@pytest.mark.parametrize(
    "sockets",
    [
        # Not root's; no port of the local range; another address.
        pair(uid=1000),
        [dns(53, "tcp"), dns(53, "udp")],
        [socket(41001, "127.0.0.12"), socket(40101, "127.0.0.12", protocol="udp")],
        # Docker's are a pair.
        [dns(41001, "tcp")],
        [dns(40101, "udp")],
        # More than one of a protocol: which is Docker's is unknown, and all are shown.
        [*pair(), dns(42000, "tcp")],
        [*pair(), dns(42000, "udp")],
    ],
)
def test_what_may_be_the_container_s_is_not_taken_for_dns(sockets: list[Socket]) -> None:
    assert len(listening(reading(*sockets))) == len(sockets)


def test_the_local_range_tells_dns() -> None:
    low = [dns(30001, "tcp"), dns(30002, "udp")]
    assert len(listening(reading(*low))) == 2
    assert listening(reading(*low), local_ports=range(30001, 30003)) == ()
    assert len(listening(reading(*low), local_ports=range(30002, 31001))) == 2
    assert len(listening(reading(*low), local_ports=range(30000, 30002))) == 2
    # Docker bound its own before anything in the container could change the range.
    assert listening(reading(*pair()), local_ports=range(30000, 31001)) == ()


# Kinds


@pytest.mark.parametrize(
    ("address", "rest", "kind"),
    [
        (ANY, {}, "reachable"),
        ("::", {}, "reachable"),
        ("::", {"v6only": False}, "reachable"),
        ("::", {"v6only": None}, "reachable"),
        ("::", {"v6only": True}, "unreachable"),
        ("::", {"v6only": True, "ipv6": True}, "reachable"),
        ("::ffff:0.0.0.0", {"v6only": False}, "reachable"),
        ("::ffff:0:0", {}, "reachable"),
        ("127.0.0.1", {}, "loopback"),
        ("127.0.0.2", {}, "loopback"),
        ("127.255.255.254", {}, "loopback"),
        ("127.0.0.11", {"uid": 1}, "loopback"),
        ("::1", {}, "loopback"),
        ("::1", {"ipv6": True, "v6only": True}, "loopback"),
        ("::ffff:127.0.0.1", {}, "loopback"),
        ("::ffff:127.9.9.9", {"ipv6": True}, "loopback"),
        (ANY, {"device": 1}, "loopback"),
        ("::", {"device": 1, "ipv6": True}, "loopback"),
        ("10.0.0.2", {"device": 1}, "loopback"),
        (ANY, {"device": 0}, "reachable"),
        (ANY, {"device": 2}, "reachable"),
        ("10.0.0.2", {}, "reachable"),
        ("10.0.0.2", {"addresses": {"10.0.0.2", "10.0.0.255"}}, "reachable"),
        ("10.0.0.3", {"addresses": {"10.0.0.2", "10.0.0.255"}}, "unreachable"),
        ("10.0.0.2", {"addresses": set()}, "unreachable"),
        ("::ffff:10.0.0.2", {"addresses": {"10.0.0.2"}}, "reachable"),
        ("::ffff:10.0.0.3", {"addresses": {"10.0.0.2"}}, "unreachable"),
        (ANY, {"addresses": set()}, "unreachable"),
        (ANY, {"addresses": {"10.0.0.2"}}, "reachable"),
        (ANY, {"ipv6": True, "addresses": {"fd00::2"}}, "unreachable"),
        ("::", {"addresses": set()}, "unreachable"),
        ("::", {"addresses": {"10.0.0.2"}}, "reachable"),
        ("::", {"ipv6": True, "addresses": {"fd00::2"}}, "reachable"),
        ("fd00::2", {"ipv6": True, "addresses": {"10.0.0.2", "fd00::2"}}, "reachable"),
        ("fd00::3", {"ipv6": True, "addresses": {"10.0.0.2", "fd00::2"}}, "unreachable"),
        ("fd00::3", {"ipv6": True}, "reachable"),
        ("ff02::fb", {"protocol": "udp", "ipv6": True, "addresses": {"fd00::2"}}, "reachable"),
        ("127.0.0.1", {"addresses": {"10.0.0.2"}}, "loopback"),
        ("239.1.2.3", {"protocol": "udp", "addresses": {"10.0.0.2"}}, "reachable"),
        ("239.1.2.3", {"addresses": {"10.0.0.2"}}, "unreachable"),
        ("255.255.255.255", {"protocol": "udp", "addresses": {"10.0.0.2"}}, "reachable"),
        ("2001:db8::10", {}, "unreachable"),
        ("2001:db8::10", {"ipv6": True}, "reachable"),
        ("fe80::1", {"ipv6": True}, "reachable"),
        ("ff02::1", {"protocol": "udp", "ipv6": True}, "reachable"),
        ("::ffff:1", {}, "unreachable"),
    ],
)
def test_what_a_listener_is_to_those_outside(
    address: str, rest: dict[str, Any], kind: Kind
) -> None:
    look = {k: rest.pop(k) for k in ("ipv6", "addresses") if k in rest}
    if "addresses" in look:
        look["addresses"] = frozenset(look["addresses"])
    found = only(reading(socket(80, address, **rest), **look))
    assert found.kind == kind
    assert same_address(found.address, address)
    assert found.v6only is (rest.get("v6only") is True)


@pytest.mark.parametrize("port", [32768, 40000, 60999])
@pytest.mark.parametrize("address", [ANY, "::", "127.0.0.1", "10.0.0.2"])
def test_an_unnamed_udp_port_of_the_local_range_is_a_client_s(port: int, address: str) -> None:
    look = reading(socket(port, address, protocol="udp"))
    assert only(look).kind == "ephemeral"
    assert only(look, named=[port]).kind == "ephemeral"
    assert only(look, named=[f"{port}/sctp"]).kind == "ephemeral"
    assert only(look, named=[f"{port}/udp"]).kind != "ephemeral"
    assert only(look, local_ports=range(port + 1, 65536)).kind != "ephemeral"
    assert only(look, local_ports=range(1, port)).kind != "ephemeral"


@pytest.mark.parametrize(("port", "protocol"), [(32767, "udp"), (61000, "udp"), (53, "udp")])
def test_a_udp_port_outside_the_local_range_is_a_server_s(port: int, protocol: str) -> None:
    assert only(reading(socket(port, protocol=protocol))).kind == "reachable"


@pytest.mark.parametrize("protocol", ["tcp", "sctp"])
def test_only_udp_sockets_are_ephemeral(protocol: str) -> None:
    assert only(reading(socket(40000, protocol=protocol))).kind == "reachable"


def test_the_range_of_a_new_namespace_is_the_kernel_s() -> None:
    assert range(32768, 61000) == LOCAL_PORTS


def test_sctp_listens_like_the_others() -> None:
    found = only(reading(socket(9, protocol="sctp")))
    assert (str(found), found.kind) == ("0.0.0.0:9/sctp", "reachable")


# Merging


def test_sockets_of_one_port_and_address_are_one_listener() -> None:
    four = [socket(80, inode=x, uid=x) for x in (1, 2, 3, 4)]
    found = only(reading(*four))
    assert found.inodes == {1, 2, 3, 4}
    assert (str(found.port), found.address, found.kind) == ("80/tcp", ANY, "reachable")


@pytest.mark.parametrize(
    "other",
    [
        socket(81),
        socket(80, "10.0.0.1"),
        socket(80, "::"),
        socket(80, protocol="udp"),
        socket(80, protocol="sctp"),
        socket(80, device=1),
        socket(80, v6only=True),
    ],
)
def test_sockets_that_differ_are_listeners_apart(other: Socket) -> None:
    assert len(listening(reading(socket(80), other))) == 2


def test_own_and_unattributed_sockets_of_one_port_stay_apart() -> None:
    look = reading(socket(80, inode=1, cgroup=MINE), socket(80, inode=2), shared=True)
    look = replace(look, cgroups=frozenset({MINE}))
    assert sorted(x.kind for x in listening(look)) == ["reachable", "unattributed"]


def test_no_socket_is_no_listener() -> None:
    assert listening(reading()) == ()


SOCKETS = st.builds(
    socket,
    st.integers(1, 4) | st.integers(40000, 40003),
    st.sampled_from([ANY, "127.0.0.1", DNS, "::", "::1", "10.0.0.1", "2001:db8::1"]),
    inode=st.integers(1, 6),
    protocol=st.sampled_from(["tcp", "udp", "sctp"]),
    cgroup=st.sampled_from([MINE, FOREIGN, None]),
    v6only=st.sampled_from([True, False, None]),
    device=st.sampled_from([0, 1, 2, None]),
    uid=st.sampled_from([0, 1000]),
)


@given(
    st.lists(SOCKETS, max_size=8),
    st.none() | st.frozensets(st.integers(1, 6)),
    st.booleans(),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_listeners_are_of_its_sockets_sorted_whatever_their_order(
    sockets: list[Socket], held: frozenset[int] | None, shared: bool, ipv6: bool, random: Any
) -> None:
    look = reading(*sockets, held=held, shared=shared, ipv6=ipv6, cgroups=frozenset({MINE}))
    found = listening(look)
    assert [(x.port, x.address) for x in found] == sorted((x.port, x.address) for x in found)
    assert {i for x in found for i in x.inodes} <= {x.inode for x in sockets}
    assert {(x.port.number, x.port.protocol, x.address) for x in found} <= {
        (x.port, x.protocol, x.address) for x in sockets
    }
    shuffled = list(sockets)
    random.shuffle(shuffled)
    assert listening(replace(look, sockets=tuple(shuffled))) == found
    # What it made or holds is never lost; without sharing nothing is unattributed.
    own = [x for x in sockets if x.cgroup == MINE or x.inode in (held or ())]
    assert {x.inode for x in own} <= {i for x in found for i in x.inodes}
    if not shared:
        assert all(x.kind != "unattributed" for x in found)


@pytest.mark.parametrize(
    ("local", "reserved", "within", "without"),
    [
        ("32768\t60999\n", "", {32768, 60999}, {32767, 61000}),
        ("100 200", "\n", {100, 200}, {99, 201}),
        ("100 200", "150", {149, 151}, {150}),
        ("100 200", "1-120,150,190-65535\n", {121, 149, 189}, {100, 120, 150, 190, 200}),
        ("100 200", "x,5-,-7,150-y", {100, 150, 200}, {99}),
    ],
)
def test_ports_for_clients(local: str, reserved: str, within: set[int], without: set[int]) -> None:
    """As ip_local_port_range and ip_local_reserved_ports write them: ip(7), ip-sysctl."""
    found = client_ports(local, reserved)
    assert found is not None
    assert within <= set(found)
    assert without.isdisjoint(found)


@pytest.mark.parametrize("local", ["", "1", "a b", "1 2 3", "-1 5"])
def test_no_range(local: str) -> None:
    assert client_ports(local) is None
