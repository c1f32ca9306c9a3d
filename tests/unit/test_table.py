"""The kernel's tables as text: read whole, or refused whole."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from make import ANY, DATA, IPV4, IPV6, socket

from pytest_exposed.model import written
from pytest_exposed.sockets import table
from pytest_exposed.sockets.table import Socket, TableError, lines_of
from pytest_exposed.sockets.tables.fib_trie import parse_ipv4_addresses
from pytest_exposed.sockets.tables.if_inet6 import parse_ipv6_addresses
from pytest_exposed.sockets.tables.route import parse_default_network
from pytest_exposed.sockets.tables.sctp_eps import parse_endpoints
from pytest_exposed.sockets.tables.tcp_udp import parse_table, steady

HEADINGS = {x: (DATA / x).read_bytes().partition(b"\n")[0] for x in ("tcp", "tcp6", "udp", "udp6")}
ESTABLISHED, SYN_RECV, TIME_WAIT, CLOSE, LISTEN = 1, 3, 6, 7, 10


def read(name: str, text: bytes | None = None) -> list[Socket]:
    text = (DATA / name).read_bytes() if text is None else text
    return parse_table(lines_of([text], name), name, "little")


def shown(sockets: Iterable[Socket]) -> set[tuple[str, int]]:
    return {(x.address, x.port) for x in sockets}


def word(raw: bytes, byteorder: Any) -> str:
    """Return an address as %08X of its 32-bit words, as a machine of that byte order writes it."""
    words = [raw[i : i + 4] for i in range(0, len(raw), 4)]
    return "".join(f"{int.from_bytes(x, byteorder):08X}" for x in words)


def row(number: int, one: Socket, state: int, byteorder: str, remote_port: int = 0) -> bytes:
    """Write a row as tcp_seq_show, tcp6_seq_show and their UDP likes do."""
    local = ip_address(one.address)
    remote = bytes(len(local.packed)) if not remote_port else b"\x7f" + local.packed[1:]
    return (
        f"{number:4}: {word(local.packed, byteorder)}:{one.port:04X} "
        f"{word(remote, byteorder)}:{remote_port:04X} {state:02X} 00000000:00000000 "
        f"00:00000000 00000000 {one.uid:5} {0:8} {one.inode} 2 00000000dbd68ce5 100 0 0 10 0"
    ).encode()


@st.composite
def sockets(draw: st.DrawFn, name: str) -> Socket:
    six = name.endswith("6")
    mapped = IPV4.map(lambda x: IPv6Address(f"::ffff:{x}"))
    edges = st.sampled_from(["::", "::1", "fe80::1"] if six else [ANY, "127.0.0.11", "10.0.0.1"])
    address = draw(edges.map(ip_address) | (IPV6 | mapped if six else IPV4))
    return socket(
        draw(st.integers(1, 65535)),
        written(address),
        inode=draw(st.integers(0, 2**64 - 1)),
        uid=draw(st.integers(0, 2**32 - 1)),
        protocol=name[:3],
        v6only=None if six else False,
    )


# Real tables


def test_listeners_of_a_real_table() -> None:
    found = read("tcp")
    assert sorted((x.address, x.port, x.uid) for x in found) == [
        (ANY, 7000, 0),
        (ANY, 7001, 0),
        (ANY, 8090, 0),
        (ANY, 8090, 0),
        (ANY, 20480, 0),
        ("127.0.0.1", 9000, 0),
        ("127.0.0.11", 41001, 1000),
        ("192.0.2.10", 8443, 0),
    ]
    assert found[0] == Socket("tcp", ANY, 0x5000, inode=1688894, uid=0, v6only=False)
    assert len({x.inode for x in found}) == 8


def test_listeners_of_a_real_tcp6_table() -> None:
    found = read("tcp6")
    assert shown(found) == {
        ("::", 8080),
        ("::", 8081),
        ("::ffff:0.0.0.0", 8082),
        ("::1", 8083),
        ("::ffff:127.0.0.1", 8084),
        ("2001:db8::10", 8085),
    }
    # IPv6-only sockets look like the others in /proc.
    assert {x.v6only for x in found} == {None}


def test_unconnected_sockets_of_real_udp_tables() -> None:
    assert shown(read("udp")) == {
        (ANY, 53),
        ("127.0.0.11", 40101),
        (ANY, 60966),
        ("239.1.2.3", 1900),
    }
    assert shown(read("udp6")) == {("2001:db8::10", 69), ("::", 5353)}
    assert {x.protocol for x in read("udp") + read("udp6")} == {"udp"}


def test_a_port_is_looked_for_in_its_own_column() -> None:
    # A connection's local and remote port 0050, and a listener on 0x5000, are not port 80.
    assert b":0050" in (DATA / "tcp").read_bytes()
    assert b":0050" in (DATA / "tcp6").read_bytes()
    assert 80 not in {x.port for x in read("tcp") + read("tcp6")}
    assert 0x5000 in {x.port for x in read("tcp")}


def test_requests_to_a_listener_are_no_listeners_and_no_end() -> None:
    lines = (DATA / "tcp").read_bytes().splitlines()
    request = next(x for x in lines if b" 03 " in x)
    listening = [x for x in lines if b" 0A " in x]
    first = [lines[0], listening[0], request, *listening[1:]]
    assert parse_table(first, "tcp", "little") == read("tcp")


# Written tables


@pytest.mark.parametrize("byteorder", ["little", "big"])
@pytest.mark.parametrize("name", ["tcp", "tcp6"])
@settings(max_examples=40)
@given(data=st.data())
def test_a_written_tcp_table_reads_back(name: str, byteorder: str, data: st.DataObject) -> None:
    listening = data.draw(st.lists(sockets(name), max_size=8))
    others = data.draw(st.lists(st.tuples(sockets(name), st.integers(1, 65535)), max_size=4))
    rows = [HEADINGS[name]]
    for one in listening:
        if data.draw(st.booleans()):
            rows.append(row(len(rows), one._replace(inode=0), SYN_RECV, byteorder, 40000))
        rows.append(row(len(rows), one, LISTEN, byteorder))
    rows += [row(99, x, ESTABLISHED, byteorder, remote) for x, remote in others]
    assert parse_table(rows, name, byteorder) == listening


@pytest.mark.parametrize("byteorder", ["little", "big"])
@pytest.mark.parametrize("name", ["udp", "udp6"])
@settings(max_examples=40)
@given(data=st.data())
def test_a_written_udp_table_reads_back(name: str, byteorder: str, data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.tuples(sockets(name), st.booleans()), max_size=8))
    # UDP tables have no order: a client's connected socket ends nothing.
    lines = [
        row(i, one, ESTABLISHED if connected else CLOSE, byteorder, 53 * connected)
        for i, (one, connected) in enumerate(rows)
    ]
    found = parse_table([HEADINGS[name], *lines], name, byteorder)
    assert found == [one for one, connected in rows if not connected]


def test_the_byte_order_is_this_machine_s_where_none_is_given() -> None:
    one = socket(80, "127.0.0.1", v6only=False)
    assert parse_table([HEADINGS["tcp"], row(0, one, LISTEN, sys.byteorder)], "tcp") == [one]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("00000000000000000000000000000000", "::"),
        ("0000000000000000FFFF000000000000", "::ffff:0.0.0.0"),
        ("0000000000000000FFFF00000100007F", "::ffff:127.0.0.1"),
        ("00000000000000000000000001000000", "::1"),
    ],
)
def test_the_forms_of_ipv6_addresses(text: str, address: str) -> None:
    line = (DATA / "tcp6").read_bytes().splitlines()[1]
    line = re.sub(rb" [0-9A-F]{32}:", f" {text}:".encode(), line, count=1)
    (found,) = parse_table([HEADINGS["tcp6"], line], "tcp6", "little")
    assert found.address == address


# Stopping early


class ReadTooFarError(Exception):
    pass


@pytest.mark.parametrize("name", ["tcp", "tcp6"])
@pytest.mark.parametrize("state", [ESTABLISHED, TIME_WAIT, CLOSE, 2, 4, 5, 8, 9, 11, 12])
def test_reading_stops_at_the_first_row_that_is_no_listener(name: str, state: int) -> None:
    one = socket(80, "::" if name == "tcp6" else ANY, v6only=None if name == "tcp6" else False)

    def lines() -> Iterator[bytes]:
        yield HEADINGS[name]
        yield row(0, one, LISTEN, "little")
        yield row(1, one, SYN_RECV, "little", 40000)
        yield row(2, one, state, "little", 40000)
        raise ReadTooFarError

    assert parse_table(lines(), name, "little") == [one]


@pytest.mark.parametrize("name", ["udp", "udp6"])
def test_udp_tables_are_read_to_their_end(name: str) -> None:
    def lines() -> Iterator[bytes]:
        yield from (DATA / name).read_bytes().splitlines()
        raise ReadTooFarError

    with pytest.raises(ReadTooFarError):
        parse_table(lines(), name, "little")


def test_no_piece_is_asked_for_after_the_end_of_what_matters() -> None:
    def chunks() -> Iterator[bytes]:
        yield (DATA / "tcp").read_bytes()
        raise ReadTooFarError

    assert len(parse_table(lines_of(chunks(), "tcp"), "tcp", "little")) == 8


# No tables


def test_a_heading_alone_is_an_empty_table() -> None:
    for name, heading in HEADINGS.items():
        assert parse_table([heading], name) == []


ROW = (
    b"   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000"
    b"     0        0 1 1 0 "
)
ROW6 = b"   0: " + b"0" * 32 + b":0050 " + b"0" * 32 + ROW[28:]


@pytest.mark.parametrize("name", ["tcp", "udp"])
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        ROW + b"\n",
        b"cat: /proc/net/tcp: No such file or directory\n",
        b'OCI runtime exec failed: exec: "cat": executable file not found in $PATH\r\n',
        b"<html>\n",
        b"\x00" * 64 + b"\n",
        b"  sl  local_address\n",
        (DATA / "if_inet6").read_bytes(),
        (DATA / "fib_trie").read_bytes(),
        b" ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS\n",
    ],
)
def test_a_text_with_another_heading_is_no_table(name: str, text: bytes) -> None:
    with pytest.raises(TableError, match="heading"):
        read(name, text)


def test_the_rows_are_those_that_the_tests_change() -> None:
    assert len(read("tcp", HEADINGS["tcp"] + b"\n" + ROW + b"\n")) == 1
    assert len(read("tcp6", HEADINGS["tcp6"] + b"\n" + ROW6 + b"\n")) == 1


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b" ",
        b"cat: write error",
        HEADINGS["tcp"],
        ROW6,
        ROW[:60],
        ROW[:87],
        ROW.replace(b" 0A ", b" A "),
        ROW.replace(b" 0A ", b" 0a "),
        ROW.replace(b" 0A ", b" 0A0 "),
        ROW.replace(b":0050", b":50"),
        ROW.replace(b":0050", b":00050"),
        ROW.replace(b":0050", b":00G0"),
        ROW.replace(b":0050", b":-050"),
        ROW.replace(b"00000000:0050", b"0000000:0050"),
        ROW.replace(b"00000000:0050", b"000000000:0050"),
        ROW.replace(b"00000000:0050", b"0" * 32 + b":0050"),
        ROW.replace(b"00000000:0000", b"0" * 32 + b":0000", 1),
        ROW.replace(b"00000000:0050", b"127.0.0.1:0050"),
        ROW.replace(b"   0:", b"   x:"),
        ROW.replace(b"   0:", b"    "),
        ROW.replace(b"   0:", b"  -1:"),
        ROW.replace(b"     0        0 1 1", b"  root        0 1 1"),
        ROW.replace(b"     0        0 1 1", b"     0        0 x 1"),
        ROW.replace(b" 0 1 1", b" 0 " + b"9" * 21 + b" 1"),
        ROW.replace(b"     0        0 1 1", b" " + b"9" * 11 + b" 0 1 1"),
        ROW.replace(b":0050", b"\x00:0050"),
        b"\xff" + ROW,
        b"x" + ROW,
        ROW.replace(b" 00000000 ", b"\t00000000 "),
        ROW.replace(b":0050", b":0000"),
        b"9" * 5000,
    ],
)
def test_one_row_of_another_shape_makes_it_no_table(line: bytes) -> None:
    with pytest.raises(TableError, match="tcp"):
        parse_table([HEADINGS["tcp"], ROW, line, ROW], "tcp", "little")
    with pytest.raises(TableError):
        parse_table([HEADINGS["tcp"], line], "tcp", "little")


def test_a_udp_socket_that_is_being_bound_is_none_yet() -> None:
    there = ROW.replace(b" 0A ", b" 07 ")
    found = parse_table([HEADINGS["udp"], there.replace(b":0050", b":0000"), there], "udp")
    assert [x.port for x in found] == [80]


class TestATableThatIsReadSeveralTimes:
    @staticmethod
    def table(*inodes: int, queue: int = 0) -> list[bytes]:
        """Return a table of UDP sockets by their inodes, with so much in their queues."""
        row = b"%5d: 00000000:%04X 00000000:0000 07 00000000:%08X 00:00000000 00000000 0 0 %d 2 0 0"
        return [HEADINGS["udp"], *(row % (x, 1000 + x, queue, x) for x in inodes)]

    def test_a_short_one_is_read_once(self) -> None:
        rest = iter([self.table(*range(1, 20)), self.table()])
        assert steady(rest, "udp") == self.table(*range(1, 20))
        assert list(rest) == [self.table()]

    def test_the_first_that_is_confirmed_is_taken(self) -> None:
        odd, whole = range(1, 200, 2), range(1, 200)
        readings = [self.table(*odd), self.table(*whole), self.table(*whole, queue=7)]
        assert steady(readings, "udp") == self.table(*whole, queue=7)

    @pytest.mark.parametrize("times", [0, 1, 4])
    def test_one_that_is_never_the_same_is_refused(self, times: int) -> None:
        readings = [self.table(*range(x, x + 100)) for x in range(times)]
        with pytest.raises(TableError, match="udp changes faster than it can be read"):
            steady(readings, "udp")


@pytest.mark.parametrize("name", ["tcp", "tcp6", "udp", "udp6"])
@given(data=st.data())
def test_a_table_that_is_cut_off_is_refused(name: str, data: st.DataObject) -> None:
    text = (DATA / name).read_bytes()
    end = data.draw(st.integers(0, len(text) - 1))
    try:
        found = read(name, text[:end])
    except TableError:
        return
    # Cut at the end of a line it is a shorter table; after the listeners, all that matters.
    whole = read(name)
    assert found == whole[: len(found)]
    assert text[end - 1 : end] == b"\n" or (name.startswith("tcp") and found == whole)


@pytest.mark.parametrize("name", ["tcp", "tcp6", "udp", "udp6"])
@given(data=st.data())
def test_a_table_that_is_changed_is_refused_or_a_table(name: str, data: st.DataObject) -> None:
    text = bytearray((DATA / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(start + 40, len(text))))
        text[start:end] = data.draw(st.binary(max_size=40))
    try:
        found = read(name, bytes(text))
    except TableError:
        return
    assert all(1 <= x.port <= 65535 and ip_address(x.address) for x in found)


@pytest.mark.parametrize("name", ["tcp", "tcp6", "udp", "udp6"])
@given(st.lists(st.binary(max_size=200), max_size=5))
@example([b"\n" * 100])
def test_anything_after_a_heading_is_refused_or_a_table(name: str, chunks: list[bytes]) -> None:
    text = [HEADINGS[name] + b"\n", *chunks]
    if any(chunks):
        with pytest.raises(TableError):
            parse_table(lines_of(text, name), name)


def test_a_table_of_endless_rows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert table.MOST_ROWS >= 65536
    monkeypatch.setattr(table, "MOST_ROWS", 50)
    asked = itertools.count()

    def rows(heading: bytes, one: bytes) -> Iterator[bytes]:
        yield heading
        for _ in range(1000):
            next(asked)
            yield one
        raise ReadTooFarError

    assert len(read("tcp", b"\n".join([HEADINGS["tcp"], *[ROW] * 50, b""]))) == 50
    with pytest.raises(TableError, match="line 52 of tcp"):
        parse_table(rows(HEADINGS["tcp"], ROW), "tcp")
    # Connected UDP sockets count as well: a table is bounded by its rows, not by what they are.
    with pytest.raises(TableError, match="line 52 of udp"):
        parse_table(rows(HEADINGS["udp"], ROW.replace(b" 0A ", b" 01 ")), "udp")
    with pytest.raises(TableError, match="line 52 of sctp/eps"):
        parse_endpoints(rows(EPS_HEADING, EPS_ROW))
    assert next(asked) == 3 * 51


# Lines


@given(st.lists(st.binary(max_size=30).map(lambda x: x.replace(b"\n", b"")), max_size=8), st.data())
def test_lines_are_the_same_however_the_text_is_cut(
    lines: list[bytes], data: st.DataObject
) -> None:
    text = b"".join(x + b"\n" for x in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    chunks = [text[i:j] for i, j in itertools.pairwise([0, *cuts, len(text)])]
    assert list(lines_of(chunks, "tcp")) == lines
    with pytest.raises(TableError, match="middle of a line"):
        list(lines_of([*chunks, b"x"], "tcp"))


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory() -> None:
    asked = 0

    def endless() -> Iterator[bytes]:
        nonlocal asked
        while asked < 1000:
            asked += 1
            yield b"x" * 1000
        raise ReadTooFarError

    with pytest.raises(TableError, match="over 4,096 bytes"):
        list(lines_of(endless(), "udp"))
    assert asked == 5


# SCTP

EPS_HEADING = b" ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS"
EPS_ROW = b"ffff98a3a73a4300 ffff98a2843779c0 2   10  22   8888      0 1870579 0.0.0.0 "


def endpoint(one: Socket, addresses: list[str], state: int = LISTEN) -> bytes:
    """Write a row as sctp_eps_seq_show does: %pI4 and %pI6, each with a space behind it."""
    written = [IPv6Address(x).exploded if ":" in x else str(IPv4Address(x)) for x in addresses]
    return (
        f"{'0' * 16} {'ab' * 8} {2:<3d} {state:<3d} {22:<4d} {one.port:<5d} {one.uid:5} "
        f"{one.inode:5} " + "".join(f"{x} " for x in written)
    ).encode()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (EPS_ROW, [socket(8888, ANY, inode=1870579, protocol="sctp")]),
        (
            b"       0        0 2   10  9    36412   200 465001933 192.168.60.142 172.31.1.2 ",
            [
                socket(36412, x, inode=465001933, uid=200, protocol="sctp")
                for x in ("192.168.60.142", "172.31.1.2")
            ],
        ),
        (
            b"b6d72780 a8903800 2   10  48   123       0 7 *10.0.0.2 2001:0db8:0:0:0:0:0:0010 ",
            [socket(123, x, inode=7, protocol="sctp") for x in ("10.0.0.2", "2001:db8::10")],
        ),
        (
            b"  (null)   (null) 2   10  24   80        0 7 ",
            [socket(80, "::", inode=7, protocol="sctp")],
        ),
    ],
)
def test_sctp_endpoints(line: bytes, expected: list[Socket]) -> None:
    assert parse_endpoints([EPS_HEADING, line]) == expected


@given(
    st.lists(
        st.tuples(
            sockets("udp"),
            st.lists((IPV4 | IPV6).map(str), min_size=1, max_size=3),
            st.integers(0, 15),
        ),
        max_size=5,
    )
)
def test_a_written_table_of_endpoints_reads_back(rows: list[tuple[Socket, list[str], int]]) -> None:
    lines = [EPS_HEADING, *(endpoint(one, addresses, state) for one, addresses, state in rows)]
    assert parse_endpoints(lines) == [
        one._replace(address=str(ip_address(x)), protocol="sctp", v6only=None)
        for one, addresses, state in rows
        if state == LISTEN
        for x in addresses
    ]


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [b""],
        [EPS_ROW],
        [HEADINGS["tcp"]],
        [EPS_HEADING, b""],
        [EPS_HEADING, ROW],
        [EPS_HEADING, EPS_HEADING],
        [EPS_HEADING, EPS_ROW.replace(b"8888", b"0")],
        [EPS_HEADING, EPS_ROW.replace(b"8888", b"70000")],
        [EPS_HEADING, EPS_ROW.replace(b"8888", b"-1")],
        [EPS_HEADING, EPS_ROW.replace(b"8888", b"22B8 ")],
        [EPS_HEADING, EPS_ROW.replace(b" 10 ", b" LISTEN ")],
        [EPS_HEADING, EPS_ROW.replace(b" 10 ", b" " + b"1" * 5000 + b" ")],
        [EPS_HEADING, EPS_ROW.replace(b"0.0.0.0", b"999.0.0.1")],
        [EPS_HEADING, EPS_ROW.replace(b"0.0.0.0", b"1:2:3")],
        [EPS_HEADING, EPS_ROW.replace(b"0.0.0.0", b"localhost")],
        [EPS_HEADING, EPS_ROW, EPS_ROW[:30]],
        [EPS_HEADING, EPS_ROW, b"\xff\x00" * 40],
    ],
)
def test_what_is_no_table_of_endpoints_is_refused(lines: list[bytes]) -> None:
    with pytest.raises(TableError, match="sctp/eps"):
        parse_endpoints(lines)


@given(st.lists(st.binary(max_size=120)), st.integers(0, len(EPS_ROW)), st.binary(max_size=20))
def test_hostile_tables_of_endpoints_are_refused_or_tables(
    lines: list[bytes], place: int, inserted: bytes
) -> None:
    for text in ([*lines], [EPS_HEADING, EPS_ROW[:place] + inserted + EPS_ROW[place + 1 :]]):
        try:
            found = parse_endpoints(text)
        except TableError:
            continue
        assert all(1 <= x.port <= 65535 and ip_address(x.address) for x in found)


# Addresses


def test_ipv6_addresses_of_a_real_table() -> None:
    lines = (DATA / "if_inet6").read_bytes().splitlines()
    assert parse_ipv6_addresses(lines) == [
        "fe80::8423:a1ff:fed1:4bfa",
        "2001:db8::10",
        "fe80::7303:eea0:1efe:4578",
    ]
    # Where IPv6 is off there is at most loopback's: nothing outside can use it.
    assert parse_ipv6_addresses(lines[:1]) == []
    assert parse_ipv6_addresses([]) == []


@given(st.lists(IPV6))
@example([IPv6Address("::1"), IPv6Address("::2")])
def test_written_ipv6_addresses_read_back(addresses: list[IPv6Address]) -> None:
    lines = [f"{x.packed.hex()} 02 40 00 82     eth0".encode() for x in addresses]
    assert parse_ipv6_addresses(lines) == [str(x) for x in addresses if not x.is_loopback]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"cat: no",
        b"0" * 31 + b" 01 80 10 80 lo",
        b"0" * 33 + b" 01 80 10 80 lo",
        b"0" * 32 + b" 01 80 10 lo",
        b"g" * 32 + b" 01 80 10 80 lo",
        b"\xff" * 32 + b" 01 80 10 80 lo",
        b"0" * 31 + b"\xc3\xa9 01 80 10 80 lo",
        b"2001:db8::10 02 40 00 82 eth0",
    ],
)
def test_a_line_that_is_no_ipv6_address_is_refused(line: bytes) -> None:
    with pytest.raises(TableError, match="if_inet6"):
        parse_ipv6_addresses([*(DATA / "if_inet6").read_bytes().splitlines(), line])


@given(st.lists(st.binary(max_size=80)))
def test_hostile_lines_are_refused_or_ipv6_addresses(lines: list[bytes]) -> None:
    try:
        found = parse_ipv6_addresses(lines)
    except TableError:
        return
    assert all(IPv6Address(x) for x in found)


def test_ipv4_addresses_of_a_real_table() -> None:
    assert parse_ipv4_addresses((DATA / "fib_trie").read_bytes()) == {
        "192.0.2.10",
        "192.0.2.255",
        "198.51.100.1",
        "198.51.100.3",
    }


ROUTES = b"""\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth1\t00000000\t01001EAC\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t00000000\t01001DAC\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t00001DAC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
eth0\t00000A0A\t01001DAC\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0
eth1\t00001EAC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""


def default_network(text: bytes, byteorder: str = "little") -> str:
    return str(parse_default_network(lines_of([text], "route"), byteorder))


def test_the_network_of_the_default_route() -> None:
    assert default_network(ROUTES) == "172.29.0.0/16"
    assert default_network(ROUTES.replace(b"\t0\t00000000", b"\t200\t00000000")) == "172.30.0.0/16"
    swapped = re.sub(rb"\b[0-9A-F]{8}\b", lambda x: word_swapped(x[0]), ROUTES)
    assert default_network(swapped, "big") == "172.29.0.0/16"


def word_swapped(word: bytes) -> bytes:
    return bytes.fromhex(word.decode())[::-1].hex().upper().encode()


def test_no_default_route_is_none() -> None:
    heading, *rest = ROUTES.splitlines(keepends=True)
    assert default_network(heading) == default_network(b"") == "None"
    assert default_network(heading + b"".join(rest[2:])) == "None"
    assert default_network(heading + b"".join(rest[:2])) == "None"


@pytest.mark.parametrize("line", [b"x\n", b"\n", b"eth0\t0\t0\t0003\t0\t0\t0\t0\t0\t0\t0\n"])
def test_what_is_no_route_is_no_table(line: bytes) -> None:
    with pytest.raises(TableError, match="route has a line"):
        default_network(ROUTES + line)


def test_ipv4_addresses_with_routes_of_a_policy() -> None:
    text = b"""\
Id 100:
  |-- 10.2.0.0
     /16 universe UNICAST
Main:
  |-- 10.1.1.1
     /32 link UNICAST
Local:
  +-- 0.0.0.0/1 2 0 2
     +-- 10.0.0.0/15 2 0 2
        |-- 10.1.1.1
           /32 host LOCAL
     |-- 127.0.0.0
        /8 host LOCAL
     |-- 127.0.0.1
        /32 host LOCAL
"""
    assert parse_ipv4_addresses(text) == {"10.1.1.1"}


@pytest.mark.parametrize("leaf", ["/8 host LOCAL", "/32 link BROADCAST\n     /31 host LOCAL"])
def test_who_answers_to_a_range_has_no_addresses_to_list(leaf: str) -> None:
    text = f"Local:\n  |-- 10.1.1.1\n     /32 host LOCAL\n  |-- 10.0.0.0\n     {leaf}\n"
    assert parse_ipv4_addresses(text.encode()) is None
    assert parse_ipv4_addresses(text.replace("10.0.0.0", "127.0.0.0").encode()) == {"10.1.1.1"}


def test_a_namespace_without_routes_has_no_ipv4_address() -> None:
    assert parse_ipv4_addresses(b"") == set()


@pytest.mark.parametrize(
    "text",
    [
        b"cat: /proc/net/fib_trie: Permission denied\n",
        b"\x00\xff",
        (DATA / "tcp").read_bytes(),
        (DATA / "fib_trie").read_bytes()[:-1],
        (DATA / "fib_trie").read_bytes()[6:],
        b"Local:\n  |-- 999.0.0.1\n     /32 host LOCAL\n",
        b"Local:\n  |-- 1.2.3\n     /32 host LOCAL\n",
        b"Local:\n  |-- ....\n     /32 host LOCAL\n",
    ],
)
def test_what_is_no_table_of_ipv4_routes_is_refused(text: bytes) -> None:
    with pytest.raises(TableError, match="fib_trie"):
        parse_ipv4_addresses(text)


@given(st.integers(0, 1500), st.text("0123456789.\n /|-LOCA", max_size=30) | st.text(max_size=9))
def test_hostile_routes_are_refused_or_ipv4_addresses(place: int, inserted: str) -> None:
    text = (DATA / "fib_trie").read_bytes()
    text = text[:place] + inserted.encode("utf-8", "replace") + text[place + len(inserted) :]
    try:
        found = parse_ipv4_addresses(text)
    except TableError:
        return
    assert found is None or all(IPv4Address(x) for x in found)
