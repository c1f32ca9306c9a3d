"""Which listeners take what a publication leads to, and where each make of engine leads it."""

from __future__ import annotations

import re
from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from make import ANY, container, listener, publication

from pytest_exposed.engine.forwarding import (
    anywhere,
    by_docker,
    by_pasta,
    by_podman,
    by_rootlessport,
    endpoints_of,
    gateways,
    lines_of,
)
from pytest_exposed.errors import ObservationError
from pytest_exposed.model import Forwarding, Publication
from pytest_exposed.model.ports import Port
from pytest_exposed.rules.forwarding import Ends, destinations, is_reached, lines, takes
from pytest_exposed.rules.judge import findings
from pytest_exposed.rules.selection import select

PORT = Port(80)
FOUR, SIX = ("10.0.0.2",), ("fd00::2",)
DUAL = Forwarding(FOUR, SIX, routed=FOUR + SIX)
MESH = Publication(PORT, ANY, 80, ingress=True)


def pub(host_ip: str, host_port: int = 8080) -> Publication:
    return Publication(PORT, host_ip, host_port)


@pytest.mark.parametrize(
    ("one", "forwarding", "expected"),
    [
        (pub(ANY), DUAL, (FOUR,)),
        (pub("127.0.0.1"), DUAL, (FOUR,)),
        (pub("::"), DUAL, (SIX,)),
        (pub("::1"), DUAL, (SIX,)),
        (pub(ANY), Forwarding(FOUR, SIX, any_is_both=True), (FOUR, SIX)),
        (pub(""), Forwarding(FOUR, SIX, any_is_both=True), (FOUR, SIX)),
        (pub("127.0.0.1"), Forwarding(FOUR, SIX, any_is_both=True), (FOUR,)),
        (pub("::"), Forwarding(FOUR, SIX, any_is_both=True), (SIX,)),
        (MESH, DUAL, (None,)),
        (MESH, Forwarding(FOUR, ingress=("10.9.0.2",)), (("10.9.0.2",),)),
        (pub(ANY, 0), DUAL, (FOUR,)),
        (pub("::", 0), DUAL, (SIX,)),
        (pub(ANY, 0), Forwarding(FOUR), (None,)),
        (pub(ANY), Forwarding(), (None,)),
        (pub("::"), Forwarding(FOUR, ()), ((),)),
    ],
)
def test_where_a_publication_leads(
    one: Publication, forwarding: Forwarding, expected: tuple[Ends, ...]
) -> None:
    assert destinations(one, forwarding) == expected


@pytest.mark.parametrize(
    ("address", "v6only", "ends", "expected"),
    [
        (ANY, False, FOUR, True),
        (ANY, False, SIX, False),
        ("::", False, FOUR, True),
        ("::", False, SIX, True),
        ("::", True, FOUR, False),
        ("::", True, SIX, True),
        ("::ffff:0.0.0.0", False, FOUR, True),
        ("::ffff:10.0.0.2", False, FOUR, True),
        ("10.0.0.2", False, FOUR, True),
        ("10.0.0.2", False, ("10.0.0.2", "10.1.0.2"), None),
        (ANY, False, ("10.0.0.2", "10.1.0.2"), True),
        ("10.0.0.3", False, ("10.0.0.2", "10.1.0.2"), False),
        ("fd00::2", False, SIX, True),
        ("fd00::2", False, FOUR, False),
        ("239.1.1.1", False, FOUR, False),
        ("255.255.255.255", False, FOUR, False),
        # To nowhere, and to where nobody knows: of these only one that takes everything is sure.
        ("::", False, (), False),
        ("::", False, None, True),
        ("::", True, None, None),
        (ANY, False, None, None),
        ("10.0.0.2", False, None, None),
    ],
)
def test_who_takes_it(address: str, v6only: bool, ends: Ends, expected: bool | None) -> None:
    assert takes(listener(80, address, v6only=v6only), ends) is expected


def test_one_on_a_device_takes_what_leads_to_its_own_network() -> None:
    bound = listener(80, on_device=True)
    assert takes(bound, FOUR) is True
    assert takes(bound, ("10.0.0.2", "10.1.0.2")) is None
    assert takes(bound, ("fd00::2", "fd01::2")) is False


@pytest.mark.parametrize(("any_is_both", "expected"), [(True, True), (False, False), (None, None)])
def test_podmans_0_0_0_0_may_mean_both_families(
    any_is_both: bool | None, expected: bool | None
) -> None:
    """Where that is unknown, an IPv6-only server may answer; one on IPv4 does in any case."""
    forwarding = Forwarding(FOUR, SIX, any_is_both=any_is_both)
    assert is_reached([listener(80, "::", v6only=True)], pub(ANY), forwarding) is expected
    assert is_reached([listener(80)], pub(ANY), forwarding) is True
    assert is_reached([listener(80, "10.9.9.9")], pub(ANY), forwarding) is False


class TestLines:
    """Which publications are of one -p."""

    @pytest.mark.parametrize(
        ("published", "expected"),
        [
            ([pub(ANY), pub("::")], [{ANY, "::"}]),
            ([pub(ANY, 0), pub("::", 8080)], [{ANY, "::"}]),
            ([pub(ANY, 8080), pub("::", 0)], [{ANY, "::"}]),
            ([pub(ANY, 0), pub("::", 0)], [{ANY, "::"}]),
            ([pub(ANY, 8080), pub("::", 8081)], [{ANY}, {"::"}]),
            ([pub("127.0.0.1"), pub("10.0.0.5")], [{"127.0.0.1"}, {"10.0.0.5"}]),
            ([pub("127.0.0.1"), pub("::1")], [{"127.0.0.1"}, {"::1"}]),
            ([MESH, pub("::", 80)], [{ANY}, {"::"}]),
        ],
    )
    def test_as_they_look(self, published: list[Publication], expected: list[set[str]]) -> None:
        found = [{x.host_ip for x in line} for line in lines(published, DUAL)]
        assert sorted(found, key=sorted) == sorted(expected, key=sorted)

    @pytest.mark.parametrize(
        ("bindings", "expected"),
        [
            ([("", 8080)], 1),
            ([], 1),  # -P
            ([("", 0)], 1),
            ([(ANY, 8080), ("::", 8080)], 2),
            ([(ANY, 8080), ("0:0::0", 8080)], 2),
            ([("::", 8080), ("", 8080)], 2),
        ],
    )
    def test_as_they_were_asked_for(self, bindings: list[tuple[str, int]], expected: int) -> None:
        published = (pub(ANY), pub("::"))
        found = lines_of(published, bindings)
        assert len(found) == expected
        assert lines(published, Forwarding(lines={PORT: found})) == found

    def test_two_without_an_address(self) -> None:
        published = [pub(ANY, 1), pub("::", 1), pub(ANY, 2), pub("::", 2)]
        found = lines_of(published, [("", 1), ("", 2)])
        assert [{x.host_port for x in line} for line in found] == [{1}, {2}]

    def test_each_is_judged(self) -> None:
        one = container(
            listener(80),
            documented=[80],
            published=[pub(ANY, 8080), pub("::", 8081)],
            forwarding=DUAL,
        )
        (finding,) = findings(one, select())
        assert finding.rule == "unreachable"
        assert finding.message.startswith("published as [::]:8081, which leads to fd00::2, and")
        assert finding.fix == "bind [::]:80 in web"

    def test_what_is_published_for_both_families_is_reached_by_one(self) -> None:
        one = container(
            listener(80), documented=[80], published=[pub(ANY), pub("::")], forwarding=DUAL
        )
        assert findings(one, select()) == ()


def test_a_neighbour_takes_it_too() -> None:
    neighbour = container(listener(80, "10.0.0.2"), name="other")
    one = container(
        listener(80, "10.0.0.3"),
        documented=[80],
        published=[publication(80)],
        neighbours=(neighbour,),
    )
    assert findings(one, select()) == ()


def test_one_that_leads_elsewhere_is_unreachable() -> None:
    one = container(listener(80, "10.1.0.2"), documented=[80], published=[publication(80)])
    (finding,) = findings(one, select())
    assert (finding.rule, finding.fix) == ("unreachable", "bind 0.0.0.0:80 in web")
    assert finding.message == (
        "published as 0.0.0.0:80, which leads to 10.0.0.2, and its only listener is bound "
        "elsewhere: 10.1.0.2:80"
    )


def test_one_that_leads_nowhere_is_unreachable() -> None:
    one = container(
        listener(80, "::"),
        documented=[80],
        published=[pub("::")],
        forwarding=Forwarding(FOUR, ()),
    )
    (finding,) = findings(one, select())
    assert finding.rule == "unreachable"
    assert "which the engine forwards to no address of web" in finding.message


@pytest.mark.parametrize(
    ("forwarding", "leads"),
    [
        (Forwarding(("10.0.0.2", "10.1.0.2"), why="of two"), "10.0.0.2 or 10.1.0.2 of web"),
        (Forwarding(why="of two"), "an address that is unknown of web"),
    ],
)
def test_one_that_may_lead_elsewhere_is_an_error(forwarding: Forwarding, leads: str) -> None:
    one = container(
        listener(80, "10.1.0.2"),
        documented=[80],
        published=[publication(80)],
        forwarding=forwarding,
    )
    with pytest.raises(ObservationError, match=rf"leads to {leads}, and .* is unknown: of two"):
        findings(one, select())
    assert findings(one, select(["silent", "undocumented"])) == ()


def test_ingress_to_another_address_is_unreachable() -> None:
    one = container(
        listener(80, "10.0.0.2"),
        documented=[80],
        published=[MESH],
        forwarding=Forwarding(FOUR, FOUR, ingress=("10.255.0.5",)),
    )
    (finding,) = findings(one, select())
    assert "which leads to 10.255.0.5" in finding.message


def network(ipv4: str = "", ipv6: str = "", *gateways: str, priority: int | None = None) -> Any:
    fields = {"IPAddress": ipv4, "GlobalIPv6Address": ipv6}
    fields |= {("IPv6Gateway" if ":" in x else "Gateway"): x for x in gateways}
    return fields | ({} if priority is None else {"GwPriority": priority})


A4 = network("10.1.0.2", "", "10.1.0.1")
B46 = network("10.2.0.2", "fd02::2", "10.2.0.1", "fd02::1")
C6 = network("", "fd03::2", "fd03::1")
INTERNAL = network("10.4.0.2")


def of_28(record: Any, priority: int = 0) -> Any:
    return {**record, "GwPriority": priority}


@pytest.mark.parametrize(
    ("networks", "ipv4", "ipv6"),
    [
        ({"a": A4}, "10.1.0.2", "10.1.0.2"),
        ({"b": B46}, "10.2.0.2", "fd02::2"),
        ({"b": A4, "a": network("10.5.0.2", "", "10.5.0.1")}, "10.5.0.2", "10.5.0.2"),
        # More gateways come before the name.
        ({"a": A4, "b": B46}, "10.2.0.2", "fd02::2"),
        ({"a": INTERNAL, "b": A4}, "10.1.0.2", "10.1.0.2"),
        ({"c": of_28(C6)}, "", "fd03::2"),
        ({"a": of_28(A4), "c": of_28(C6)}, "10.1.0.2", "fd03::2"),
        ({"b": of_28(B46), "c": of_28(C6)}, "10.2.0.2", "fd02::2"),
        # Which it is, the engine does not tell: priorities are not always kept.
        ({"a": of_28(A4, 1), "b": of_28(B46)}, "10.1.0.2 10.2.0.2", "fd02::2"),
        ({"b": of_28(B46), "c": of_28(C6, 1)}, "10.2.0.2", "fd02::2 fd03::2"),
    ],
)
def test_docker_leads_to_the_networks_of_the_gateways(networks: Any, ipv4: str, ipv6: str) -> None:
    found = by_docker(endpoints_of(networks), None)
    assert (" ".join(found.ipv4 or ()), " ".join(found.ipv6 or ())) == (ipv4, ipv6)


def test_docker_leads_to_the_network_of_the_route_that_it_made() -> None:
    endpoints = endpoints_of({"a": of_28(A4, 1), "b": of_28(B46)})
    for prefix in ("10.1.0", "10.2.0"):
        found = by_docker(endpoints, None, IPv4Network(f"{prefix}.0/24"))
        assert (found.ipv4, found.ipv6) == ((f"{prefix}.2",), ("fd02::2",))
    # A route through none of its gateways tells nothing.
    assert by_docker(endpoints, None, IPv4Network("10.9.0.0/24")).ipv4 == ("10.1.0.2", "10.2.0.2")


def test_docker_leads_to_its_own_bridge_where_no_network_has_a_gateway() -> None:
    overlay = endpoints_of({"ov": network("10.0.1.2"), "ingress": network("10.255.0.2")})
    assert gateways(overlay) == (None, None)
    found = by_docker(overlay, "172.18.0.3")
    assert (found.ipv4, found.ipv6, found.ingress) == (
        ("172.18.0.3",),
        ("172.18.0.3",),
        ("10.255.0.2",),
    )
    unknown = by_docker(overlay, None)
    assert (unknown.ipv4, unknown.ipv6) == (None, None)
    assert unknown.why


def test_podman_leads_to_every_network_that_it_forwards_for() -> None:
    endpoints = endpoints_of({"a": A4, "b": B46, "i": INTERNAL})
    found = by_podman(endpoints, {"a", "b"}, any_is_both=True)
    assert found.ipv4 == ("10.1.0.2", "10.2.0.2")
    assert found.ipv6 == ("fd02::2",)
    assert by_podman(endpoints, None, any_is_both=True).ipv4 == ("10.1.0.2", "10.2.0.2", "10.4.0.2")
    assert by_podman(endpoints_of({"i": INTERNAL}), {"a"}, any_is_both=True).ipv4 == ()


def test_rootless_podman_leads_to_one_address_of_any_network() -> None:
    assert by_rootlessport(["10.2.0.2", "fd02::2", "10.1.0.2"]).ipv4 == ("10.1.0.2", "10.2.0.2")
    assert by_rootlessport(["10.2.0.2", "fd02::2"]).ipv6 == ("10.2.0.2",)
    assert by_rootlessport(["fd02::2"]).ipv4 == ("fd02::2",)
    assert by_rootlessport(["fd02::2"]).why


def test_pasta_leads_each_family_to_its_own_and_to_the_links() -> None:
    found = by_pasta({"198.51.100.7", "fe80::1"}, any_is_both=True)
    assert (found.ipv4, found.ipv6) == (("198.51.100.7",), ("fe80::1",))
    assert by_pasta({"198.51.100.7"}, any_is_both=False).ipv6 == ()
    unknown = by_pasta(None, any_is_both=True)
    assert (unknown.ipv4, unknown.ipv6, unknown.any_is_both) == (None, None, None)


def test_of_an_unknown_engine_it_may_be_any_address_but_the_links() -> None:
    found = anywhere({"10.1.0.2", "fe80::1", "fd02::2"}, "why")
    assert found.ipv4 == ("10.1.0.2",)
    assert set(found.ipv6 or ()) == {"10.1.0.2", "fd02::2"}
    assert anywhere(None, "why").ipv4 is None
    assert anywhere({"fd02::2"}, "why").ipv4 == ("fd02::2",)


ADDRESSES = ["10.0.0.2", "10.1.0.2", "fd00::2", "fd01::2"]
ENDS = st.none() | st.lists(st.sampled_from(ADDRESSES), max_size=2, unique=True).map(tuple)
PUBLISHED = st.builds(
    Publication,
    st.just(PORT),
    st.sampled_from([ANY, "::", "127.0.0.1", "::1"]),
    st.sampled_from([0, 8080, 8081]),
    st.booleans(),
)
BOUND = st.sampled_from([ANY, "::", "127.0.0.1", "::1", *ADDRESSES, "10.9.9.9"])


def kind(address: str, wildcard: str) -> Any:
    if address in ("127.0.0.1", "::1"):
        return "loopback"
    return "unreachable" if wildcard == "::" and "." in address else "reachable"


@given(
    BOUND,
    st.booleans(),
    st.lists(PUBLISHED, max_size=3, unique=True),
    st.builds(Forwarding, *[ENDS] * 4, any_is_both=st.sampled_from([True, False, None])),
    st.sampled_from([ANY, "::"]),
)
def test_whoever_follows_the_advice_gets_no_other_finding(
    address: str,
    v6only: bool,
    published: list[Publication],
    forwarding: Forwarding,
    wildcard: str,
) -> None:
    """A container without IPv4, whose wildcard is ::, is not led to by IPv4 either."""
    ends = [x for one in published for y in destinations(one, forwarding) for x in y or ()]
    assume(wildcard == ANY or all(":" in x for x in ends))

    def judged(bound: str, *, only: bool) -> tuple[str, str]:
        one = container(
            listener(80, bound, kind(bound, wildcard), v6only=only),
            documented=[80],
            published=published,
            forwarding=forwarding,
            wildcard=wildcard,
        )
        try:
            found = findings(one, select(["default"]))
        except ObservationError as error:
            return "error", str(error)
        return (found[0].rule, found[0].fix) if found else ("", "")

    rule, fix = judged(address, only=v6only and address == "::")
    advised = re.search(r"bind (?:\[(?P<v6>\S+)\]|(?P<v4>\S+)):80", fix)
    if advised is None:
        assert rule in ("", "unreachable") or (rule == "error" and "publish it for" in fix)
        assert rule == "" or "forwards" in fix or "publish it for" in fix or "give" in fix
        return
    verdict, text = judged(advised["v6"] or advised["v4"], only=False)
    assert verdict == "" or "publish it for" in text, (rule, fix, verdict, text)
