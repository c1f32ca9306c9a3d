"""Ports: what is one, what is none, and sets of them against Python's own frozenset."""

from __future__ import annotations

import copy
import operator
import pickle
import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_exposed.errors import ExposedError, PortError
from pytest_exposed.model.ports import HIGHEST, PROTOCOLS, Port, Ports

PORTS = st.builds(Port, st.integers(1, HIGHEST), st.sampled_from(PROTOCOLS))
# Few numbers, so that sets meet, and have neighbours and both ends.
NUMBERS = st.integers(1, 9) | st.integers(HIGHEST - 2, HIGHEST)
SETS = st.frozensets(st.builds(Port, NUMBERS, st.sampled_from(PROTOCOLS)), max_size=20)


def forms_of(port: Port) -> list[int | str | Port]:
    number, protocol = port.number, port.protocol
    forms: list[int | str | Port] = [port, f"{number}/{protocol}", f"{number}/{protocol.upper()}"]
    return [*forms, number, str(number)] if protocol == "tcp" else forms


@st.composite
def written(draw: st.DrawFn, ports: st.SearchStrategy[frozenset[Port]]) -> tuple[Any, Any]:
    """Draw a set of ports, and the same set in any mixture of the forms people write."""
    model = draw(ports)
    return model, {draw(st.sampled_from(forms_of(x))) for x in sorted(model)}


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (80, "80/tcp"),
        (1, "1/tcp"),
        (65535, "65535/tcp"),
        ("80", "80/tcp"),
        ("1", "1/tcp"),
        ("65535", "65535/tcp"),
        ("80/tcp", "80/tcp"),
        ("80/TCP", "80/tcp"),
        ("80/Tcp", "80/tcp"),
        ("53/udp", "53/udp"),
        ("53/UDP", "53/udp"),
        ("9/sctp", "9/sctp"),
        ("9/SCTP", "9/sctp"),
        ("00080/tcp", "80/tcp"),
        ("80-80/udp", "80/udp"),
        (Port(53, "udp"), "53/udp"),
    ],
)
def test_each_form_of_a_port_is_read(form: int | str | Port, text: str) -> None:
    assert str(Port.parse(form)) == text
    assert Ports.parse(form) == {Port.parse(text)}
    assert [str(x) for x in Ports.parse([form])] == [text]


REFUSED = [
    *(0, -1, 65536, 70000, True, False, None, 80.0, 80.5, 80j, b"80", b"80/tcp", object),
    *("", " ", "0", "00", "0/tcp", "0/udp", "65536", "70000", "70000/tcp", "99999", "100000"),
    *("-1", "+80", "80.5", "80.0", "1e3", "0x50", "8_0", "8 0", " 80", "80 ", "80\n", "\t80"),
    *("80 /tcp", "80/ tcp", "80/tcp ", "80/tcp\n", "80/", "/tcp", "/", "tcp", "http", "tcp/80"),
    *("80/icmp", "80/http", "80/tcpp", "80/tc", "80/tcp/udp", "80/tcp,udp", "80//tcp", "80/6"),
    *("8080:80", "80:80/tcp", "127.0.0.1:80", "[::]:80", "$PORT", "${PORT}", "80,443", "abc/tcp"),
    *(
        "90-80",
        "90-80/udp",
        "81-80",
        "0-10",
        "1-65536",
        "65535-65536",
        "80-",
        "-80",
        "80--90",
        "80-90-100",
    ),
    *("80-90/icmp", "80 - 90", "80-90/tcp-udp", "80/tcp-90/tcp", "0-0", "-", "--"),
    # Digits and letters of other alphabets: Arabic, fullwidth, superscript, long s, dotless i.
    *("\u0668\u0660", "\uff18\uff10", "8\u00b2", "80/\uff54\uff43\uff50", "80/\u017fctp"),
    *("80\u2013" + "90", "80\u22440", "80\x00", "80/tcp\x00", "\ufeff80", "80\u200b", "\ud800"),
]


@pytest.mark.parametrize("form", REFUSED, ids=ascii)
def test_what_is_no_port_is_refused_and_named(form: Any) -> None:
    ports = Ports.parse("80-443", "53/udp")
    uses: list[Callable[[], object]] = [
        lambda: Port.parse(form),
        lambda: Ports.parse(form),
        lambda: Ports.parse(443, form),
        lambda: Ports.parse([443, form]),
        lambda: form in ports,
        lambda: ports == {443, form},
        lambda: ports - {form},
        lambda: {form} | ports,
        lambda: ports >= {form},
        lambda: ports.isdisjoint([form]),
    ]
    for use in uses:
        with pytest.raises(PortError, match=re.escape(repr(form))) as caught:
            use()
        assert isinstance(caught.value, ExposedError)
        assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("number", ["80", 80.0, True, None, 0, -1, 65536, [80]])
def test_a_port_is_made_of_a_number_in_range_only(number: Any) -> None:
    with pytest.raises(PortError, match=re.escape(repr(number))) as caught:
        Port(number)
    # Suites give numbers to fixtures, and have no Port.
    assert ("Port.parse()" in str(caught.value)) is (type(number) is not int)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_number_of_thousands_of_digits(sign: int) -> None:  # which Python doesn't write
    with pytest.raises(PortError, match="so great a number is not a port"):
        Port(sign * 10**5000)


@pytest.mark.parametrize("protocol", ["TCP", "icmp", "", None, b"tcp", 6, ["tcp"]])
def test_a_port_is_made_of_a_known_protocol_only(protocol: Any) -> None:
    with pytest.raises(PortError, match=re.escape(repr(protocol))):
        Port(80, protocol)


@pytest.mark.parametrize("form", ["80-90", "1-65535", "80-81/udp"])
def test_a_range_is_not_one_port(form: str) -> None:
    with pytest.raises(PortError, match=f"'{form}' is a range"):
        Port.parse(form)


@pytest.mark.parametrize(
    ("form", "ports"),
    [
        ("8000-8003/udp", ["8000/udp", "8001/udp", "8002/udp", "8003/udp"]),
        ("80-81", ["80/tcp", "81/tcp"]),
        ("80-81/TCP", ["80/tcp", "81/tcp"]),
        ("7-7/sctp", ["7/sctp"]),
        ("65534-65535", ["65534/tcp", "65535/tcp"]),
    ],
)
def test_a_range_has_both_its_ends(form: str, ports: list[str]) -> None:
    assert [str(x) for x in Ports.parse(form)] == ports


def test_a_range_can_have_every_port() -> None:
    everything = Ports.parse("1-65535/udp")
    assert len(everything) == HIGHEST
    assert str(everything) == "1-65535/udp"


def test_forms_mix_in_arguments_and_collections() -> None:
    parsed = Ports.parse(80, "443", ["53/udp", 22], {"7-8"}, Ports.parse("9/sctp"), (Port(1),))
    assert parsed.ranges() == [
        "1/tcp",
        "7-8/tcp",
        "9/sctp",
        "22/tcp",
        "53/udp",
        "80/tcp",
        "443/tcp",
    ]
    assert Ports.parse(x for x in ("80", "81")) == {80, 81}
    assert Ports.parse(range(80, 83)) == {"80-82"}
    assert Ports.parse() == Ports.parse([]) == Ports() == set()


@pytest.mark.parametrize("form", [bytearray(b"80"), memoryview(b"80"), [["80"]], [Ports()], [b"8"]])
def test_bytes_and_nested_collections_are_no_collections_of_ports(form: Any) -> None:
    with pytest.raises(PortError):
        Ports.parse(form)


@given(st.text(max_size=12) | st.text("0123456789-/tcpudsTCPUDS ", max_size=12))
@example("80-80")
def test_any_text_is_ports_or_refused(text: str) -> None:
    try:
        ports = list(Ports.parse(text))
    except PortError:
        return
    numbers, _, protocol = text.lower().partition("/")
    first, _, last = numbers.partition("-")
    assert [x.number for x in ports] == list(range(int(first), int(last or first) + 1))
    assert {x.protocol for x in ports} == {protocol or "tcp"}
    assert text.isascii()


@given(PORTS)
def test_a_port_reads_back_from_its_text(port: Port) -> None:
    assert Port.parse(str(port)) == port
    assert all(Port.parse(x) == port for x in forms_of(port))
    assert port in Ports.parse(*forms_of(port))
    assert copy.copy(port) == pickle.loads(pickle.dumps(port)) == port  # noqa: S301  # our own


@given(PORTS, PORTS)
def test_ports_sort_by_number_then_protocol(one: Port, other: Port) -> None:
    assert (one < other) == ((one.number, one.protocol) < (other.number, other.protocol))


def test_a_port_can_not_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Port(80).number = 81  # type: ignore[misc]  # what must not be done


@pytest.mark.parametrize("ports", ["80/tcp", ["80/tcp"], [80], [Port(80), None]])
def test_a_set_is_made_of_ports_alone(ports: Any) -> None:
    with pytest.raises(PortError, match=r"Ports\.parse"):
        Ports(ports)


COMPARISONS = [
    *(operator.eq, operator.ne, operator.le, operator.lt, operator.ge, operator.gt),
]
ALGEBRA = [operator.and_, operator.or_, operator.sub, operator.xor]


@pytest.mark.parametrize("compare", COMPARISONS)
@settings(max_examples=50)
@given(written(SETS), written(SETS))
@example((frozenset(), set()), (frozenset(), set()))
def test_sets_of_ports_compare_as_sets(
    compare: Callable[[Any, Any], bool], one: tuple[Any, Any], other: tuple[Any, Any]
) -> None:
    (model, forms), (other_model, other_forms) = one, other
    expected = compare(model, other_model)
    assert compare(Ports(model), Ports(other_model)) is expected
    assert compare(Ports(model), other_forms) is expected
    assert compare(Ports(model), frozenset(other_forms)) is expected
    assert compare(forms, Ports(other_model)) is expected
    assert compare(frozenset(forms), Ports(other_model)) is expected


@pytest.mark.parametrize("combine", ALGEBRA)
@settings(max_examples=50)
@given(written(SETS), written(SETS))
def test_sets_of_ports_combine_as_sets(
    combine: Callable[[Any, Any], Any], one: tuple[Any, Any], other: tuple[Any, Any]
) -> None:
    (model, forms), (other_model, other_forms) = one, other
    expected = Ports(combine(model, other_model))
    for left, right in (
        (Ports(model), Ports(other_model)),
        (Ports(model), other_forms),
        (forms, Ports(other_model)),
        (frozenset(forms), Ports(other_model)),
    ):
        combined = combine(left, right)
        assert type(combined) is Ports
        assert combined == expected


@given(written(SETS), written(SETS))
def test_sets_of_ports_hold_what_sets_hold(one: tuple[Any, Any], other: tuple[Any, Any]) -> None:
    (model, forms), (other_model, other_forms) = one, other
    ports = Ports(model)
    assert len(ports) == len(model)
    assert bool(ports) is bool(model)
    assert list(ports) == sorted(model, key=lambda x: (x.number, x.protocol))
    assert all(x in ports for x in forms)
    assert [x in ports for x in other_forms] == [Port.parse(x) in model for x in other_forms]
    assert ports.isdisjoint(other_forms) is model.isdisjoint(other_model)
    assert ports.isdisjoint(Ports(other_model)) is model.isdisjoint(other_model)


@given(written(SETS), st.sampled_from(PROTOCOLS), NUMBERS, NUMBERS)
def test_a_range_is_in_a_set_that_holds_all_of_it(
    one: tuple[Any, Any], protocol: str, first: int, last: int
) -> None:
    first, last = sorted((first, last))
    last = min(last, first + 9)
    span = {Port(x, protocol) for x in range(first, last + 1)}
    assert (f"{first}-{last}/{protocol}" in Ports(one[0])) is (span <= one[0])


@given(SETS, SETS)
def test_equal_sets_have_equal_hashes(one: frozenset[Port], other: frozenset[Port]) -> None:
    assert hash(Ports(one)) == hash(Ports(sorted(one))) == hash(one)
    assert len({Ports(one), Ports(other), one, other}) == (1 if one == other else 2)


@given(SETS)
def test_ranges_are_the_fewest_texts_and_read_back(model: frozenset[Port]) -> None:
    ports = Ports(model)
    assert Ports.parse(*ports.ranges()) == Ports.parse(ports.ranges()) == ports
    begins = {x for x in model if x.number == 1 or Port(x.number - 1, x.protocol) not in model}
    assert len(ports.ranges()) == len(begins)
    assert str(ports) == (", ".join(ports.ranges()) or "none")
    assert all(repr(x) in repr(ports) for x in ports.ranges())
    assert pickle.loads(pickle.dumps(ports)) == ports  # noqa: S301  # our own


def test_ranges_are_sorted_by_number_and_keep_protocols_apart() -> None:
    ports = Ports.parse("8001/udp", "8000-8002", "53/udp", "53", "54/udp", "9/sctp")
    assert str(ports) == "9/sctp, 53/tcp, 53-54/udp, 8000-8002/tcp, 8001/udp"
    assert str(Ports()) == "none"
    assert repr(Ports.parse(80)) == "Ports('80/tcp')"


@pytest.mark.parametrize("other", [None, True, {80: 80}, object()])
def test_what_means_no_ports_is_unequal(other: object) -> None:
    assert Ports.parse(80) != other
    assert not Ports.parse(80) == other  # noqa: SIM201  # another operator


@pytest.mark.parametrize("other", [80, "80/tcp", ["80/tcp"], ("80/tcp",), Port(80)])
def test_what_means_the_same_ports_is_equal_whatever_its_form(other: Any) -> None:
    assert Ports.parse(80) == other
    assert not Ports.parse(80) != other  # noqa: SIM202  # another operator
    assert Ports.parse(81) != other


@pytest.mark.parametrize("other", ["http", "80/icmp", [0], (80, "x")])
def test_a_comparison_with_what_is_no_port_is_an_error(other: Any) -> None:
    with pytest.raises(PortError):
        Ports.parse(80) == other  # noqa: B015  # it raises


@pytest.mark.parametrize(
    ("other", "same"),
    [
        *((x, True) for x in (80, "80", "80/tcp")),
        *((x, False) for x in (81, "80/udp", "80-81", "http", True, None)),
    ],
)
def test_a_port_is_equal_to_what_means_it(other: Any, same: bool) -> None:
    assert (Port(80) == other) is (other == Port(80)) is same
    assert (Port(80) != other) is not same
    assert (other in [Port(22), Port(80)]) is same


@pytest.mark.parametrize("other", [None, 80, "80/tcp", ["80/tcp"], ("80/tcp",), Port(80), object()])
def test_what_is_no_set_does_not_mix(other: Any) -> None:
    ports = Ports.parse(80)
    for combine in (*ALGEBRA, operator.le, operator.lt, operator.ge, operator.gt):
        with pytest.raises(TypeError):
            combine(ports, other)
        with pytest.raises(TypeError):
            combine(other, ports)


def test_the_protocol_counts() -> None:
    assert Ports.parse("53/udp") != {"53"}
    assert "53" not in Ports.parse("53/udp", "53/sctp")
    assert 53 in Ports.parse("53/udp", "53/tcp")


@pytest.mark.parametrize(
    ("keys", "ports", "invalid"),
    [
        ([], [], ()),
        (["80/tcp", "53/udp", "9/sctp"], ["9/sctp", "53/udp", "80/tcp"], ()),
        # What engines keep of `--expose 80/TCP`, and images made by hand hold.
        (["80/TCP", "80/tcp"], ["80/tcp"], ()),
        (["80", "8080/TCP"], ["80/tcp", "8080/tcp"], ()),
        (["5000-5002/tcp"], ["5000-5002/tcp"], ()),
        ([""], [], ("",)),
        (
            ["70000/tcp", "abc/tcp", "443/tcp", "0/tcp"],
            ["443/tcp"],
            ("0/tcp", "70000/tcp", "abc/tcp"),
        ),
        (["90-80/tcp", "80/icmp"], [], ("80/icmp", "90-80/tcp")),
    ],
)
def test_what_can_be_read_of_exposed_ports_is_read_and_the_rest_told(
    keys: list[str], ports: list[str], invalid: tuple[str, ...]
) -> None:
    found, left_out = Ports.from_exposed(keys)
    assert found.ranges() == ports
    assert left_out == invalid


@given(st.lists(st.text(max_size=8) | PORTS.map(str)))
def test_every_exposed_key_is_read_or_told(keys: list[str]) -> None:
    ports, invalid = Ports.from_exposed(keys)
    assert list(invalid) == sorted(invalid)
    readable = list(keys)
    for key in invalid:
        readable.remove(key)
        with pytest.raises(PortError):
            Ports.parse(key)
    assert ports == Ports.parse(*readable)
