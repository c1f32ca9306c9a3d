"""Answers of sock_diag(7): read to their end, or refused."""

from __future__ import annotations

import errno
import os
import socket as sockets
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Literal

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from make import DATA, IPV4, IPV6, same_address, socket

from pytest_exposed.errors import ObservationError
from pytest_exposed.sockets import netlink, sock_diag
from pytest_exposed.sockets.sock_diag import (
    InterruptedDumpError,
    _dump,
    _rows,
    parse_row,
)
from pytest_exposed.sockets.table import Socket, TableError, lines_of
from pytest_exposed.sockets.tables.tcp_udp import parse_table

# linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h
NOOP, ERROR, DONE, OVERRUN, BY_FAMILY = 1, 2, 3, 4, 20
MULTI, INTERRUPTED = 0x2, 0x10
SKV6ONLY, CGROUP_ID, MEMORY, SHUTDOWN = 11, 21, 15, 8
TCP, UDP, LISTEN, CLOSE = 6, 17, 10, 7

DUMPS: dict[str, tuple[int, int, Literal["tcp", "udp"], int]] = {
    "tcp": (sockets.AF_INET, TCP, "tcp", LISTEN),
    "tcp6": (sockets.AF_INET6, TCP, "tcp", LISTEN),
    "udp": (sockets.AF_INET, UDP, "udp", CLOSE),
    "udp6": (sockets.AF_INET6, UDP, "udp", CLOSE),
}


def message(kind: int, body: bytes = b"", flags: int = MULTI, sequence: int = 1) -> bytes:
    padding = bytes(-len(body) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 4321) + body + padding


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def row(one: Socket, family: int, *attributes: bytes) -> bytes:
    """Write a struct inet_diag_msg with its attributes."""
    return (
        struct.pack("=BBBB", family, LISTEN if one.protocol == "tcp" else CLOSE, 0, 0)
        + struct.pack("!HH", one.port, 0x0050)
        + ip_address(one.address).packed.ljust(16, b"\0")
        + bytes(16)
        + struct.pack("=III", one.device or 0, 7, 0)
        + struct.pack("=IIIII", 0, 0, 128, one.uid, one.inode)
        + b"".join(attributes)
    )


DONE_MESSAGE = message(DONE, bytes(4))


@dataclass
class Link:
    """A netlink socket that gives the datagrams of one answer after another."""

    answers: list[list[bytes]]
    sent: list[bytes] = field(default_factory=list)
    _current: list[bytes] = field(default_factory=list)

    def settimeout(self, seconds: float) -> None:
        assert 0 < seconds < 60

    def sendall(self, data: bytes) -> None:
        self.sent.append(data)
        self._current += self.answers.pop(0)

    def recv(self, size: int) -> bytes:
        assert size >= 32768
        if not self._current:
            raise TimeoutError("timed out")
        return self._current.pop(0)


def dump(name: str, *answers: list[bytes]) -> list[Socket]:
    return _dump(Link(list(answers)), *DUMPS[name])  # type: ignore[arg-type]  # what it uses of one


def receiver(datagrams: Iterable[bytes]) -> Callable[[], bytes]:
    """Give datagrams one by one, then nothing."""
    given = iter(datagrams)
    return lambda: next(given, b"")


def real(name: str) -> tuple[list[bytes], int]:
    """Return the datagrams that a kernel sent, and the sequence number of their request."""
    lines = (DATA / f"sock_diag_{name}.hex").read_text().split()
    return [bytes.fromhex(x) for x in lines], list(DUMPS).index(name) + 1


def read(name: str, datagrams: Iterable[bytes], sequence: int) -> list[Socket]:
    family, _, protocol, _ = DUMPS[name]
    rows = [parse_row(x, family, protocol) for x in _rows(receiver(datagrams), sequence)]
    return [x for x in rows if x is not None]  # one of UDP that is being bound is none yet


# Real answers, of a little-endian machine


@pytest.mark.parametrize("name", DUMPS)
def test_real_answers_tell_the_sockets_that_proc_tells(name: str) -> None:
    proc = parse_table(lines_of([(DATA / name).read_bytes()], name), name, "little")

    def key(one: Socket) -> tuple[object, ...]:
        return one.protocol, one.address, one.port, one.inode, one.uid

    assert sorted(map(key, read(name, *real(name)))) == sorted(map(key, proc))


def test_a_real_answer_tells_which_sockets_are_ipv6_only() -> None:
    found = {x.port: x.v6only for x in read("tcp6", *real("tcp6"))}
    # Bound to an IPv6 address that is no wildcard, a socket is IPv6-only in any case.
    assert found == {8080: False, 8081: True, 8082: False, 8083: True, 8084: False, 8085: True}
    assert {x.v6only for x in read("tcp", *real("tcp"))} == {False}


def test_a_real_answer_tells_device_and_cgroup() -> None:
    found = {x.port: x.device for x in read("tcp", *real("tcp"))}
    assert found == {port: int(port == 7001) for port in found}
    assert {x.cgroup for name in DUMPS for x in read(name, *real(name))} == {1}


@pytest.mark.parametrize("name", DUMPS)
@given(data=st.data())
def test_a_real_answer_that_is_cut_short_is_refused(name: str, data: st.DataObject) -> None:
    datagrams, sequence = real(name)
    which = data.draw(st.integers(0, len(datagrams) - 1))
    end = data.draw(st.integers(0, len(datagrams[which]) - 1))
    # The last four bytes of the end are its error code, which old kernels left out.
    assume(which < len(datagrams) - 1 or end < len(datagrams[which]) - 4)
    with pytest.raises(TableError):
        read(name, [*datagrams[:which], datagrams[which][:end]], sequence)
    with pytest.raises(TableError):
        read(name, datagrams[:which], sequence)


@pytest.mark.parametrize("name", DUMPS)
@given(data=st.data())
def test_a_changed_answer_raises_errors_of_ours_alone(name: str, data: st.DataObject) -> None:
    datagrams, sequence = real(name)
    changed = [bytearray(x) for x in datagrams]
    for _ in range(data.draw(st.integers(1, 3))):
        one = data.draw(st.sampled_from(changed))
        place = data.draw(st.integers(0, len(one)))
        one[place : place + 4] = data.draw(st.binary(max_size=8))
    try:
        found = read(name, map(bytes, changed), sequence)
    except ObservationError:
        return
    assert all(1 <= x.port <= 65535 and ip_address(x.address) for x in found)


@given(st.lists(st.binary(min_size=1, max_size=80)))
def test_garbage_raises_errors_of_ours_alone(datagrams: list[bytes]) -> None:
    with pytest.raises(ObservationError):
        _rows(receiver(datagrams), 1)


# Written answers


@st.composite
def written(draw: st.DrawFn, name: str) -> tuple[Socket, bytes]:
    """Draw a socket, and its row as a kernel writes it."""
    family, _, protocol, _ = DUMPS[name]
    six = family == sockets.AF_INET6
    v6only = draw(st.sampled_from([None, True, False])) if six else False
    cgroup = draw(st.none() | st.integers(0, 2**64 - 1))
    one = socket(
        draw(st.integers(1, 65535)),
        str(draw(IPV6 if six else IPV4)),
        inode=draw(st.integers(0, 2**32 - 1)),
        uid=draw(st.integers(0, 2**32 - 1)),
        protocol=protocol,
        v6only=v6only,
        device=draw(st.integers(0, 2**31 - 1)),
        cgroup=cgroup,
    )
    attributes = [attribute(SHUTDOWN, b"\0"), attribute(MEMORY, bytes(36))]
    if six and v6only is not None:
        attributes.append(attribute(SKV6ONLY, bytes([v6only])))
    if cgroup is not None:
        attributes.append(attribute(CGROUP_ID, struct.pack("=Q", cgroup)))
    chosen = draw(st.permutations(attributes))
    return one, row(one, family, *chosen)


@pytest.mark.parametrize("name", DUMPS)
@settings(max_examples=40)
@given(data=st.data())
def test_written_rows_read_back(name: str, data: st.DataObject) -> None:
    rows = data.draw(st.lists(written(name), max_size=6))
    messages = [message(BY_FAMILY, body) for _, body in rows]
    cuts = data.draw(st.integers(0, len(messages)))
    datagrams = [b"".join(messages[:cuts]), b"".join([*messages[cuts:], DONE_MESSAGE])]
    assert dump(name, [x for x in datagrams if x]) == [one for one, _ in rows]


def test_a_message_begins_at_a_multiple_of_four_bytes() -> None:
    # The padding behind its last attribute counts for none of them.
    body = row(socket(80, "::"), sockets.AF_INET6, attribute(SKV6ONLY, b"\1"))[:-3]
    found = dump("tcp6", [message(BY_FAMILY, body) + message(BY_FAMILY, body) + DONE_MESSAGE])
    assert [(x.port, x.v6only) for x in found] == [(80, True)] * 2


def test_an_empty_dump_is_no_sockets() -> None:
    assert dump("tcp", [DONE_MESSAGE]) == []
    assert dump("tcp", [message(DONE)]) == []


@pytest.mark.parametrize("address", ["::", "::ffff:0.0.0.0", "::ffff:127.0.0.1", "::1"])
def test_the_forms_of_ipv6_addresses(address: str) -> None:
    body = row(socket(80, address), sockets.AF_INET6)
    assert same_address(parse_row(memoryview(body), sockets.AF_INET6, "tcp").address, address)


def test_an_ipv4_address_is_the_first_word_of_its_field() -> None:
    body = bytearray(row(socket(80, "10.1.2.3"), sockets.AF_INET))
    body[12:20] = b"\xff" * 8
    assert parse_row(memoryview(body), sockets.AF_INET, "tcp").address == "10.1.2.3"


def test_unknown_attributes_and_sizes_are_passed_over() -> None:
    attributes = [
        attribute(99, b"x" * 7),
        attribute(SKV6ONLY, bytes(4)),
        attribute(CGROUP_ID, bytes(4)),
        attribute(0, b""),
    ]
    body = row(socket(80, "::"), sockets.AF_INET6, *attributes)
    found = parse_row(memoryview(body), sockets.AF_INET6, "tcp")
    assert (found.v6only, found.cgroup) == (None, None)


@pytest.mark.parametrize(
    ("change", "family"),
    [
        (lambda x: x[:-1], sockets.AF_INET),
        (lambda x: x[:71], sockets.AF_INET),
        (lambda x: x[:4], sockets.AF_INET),
        (lambda _: b"", sockets.AF_INET),
        (lambda x: x, sockets.AF_INET6),
        (lambda x: b"\0" + x[1:], sockets.AF_INET),
        (lambda x: x + b"\0", sockets.AF_INET),
        (lambda x: x + b"\0\0\0", sockets.AF_INET),
        (lambda x: x + struct.pack("=HH", 3, CGROUP_ID), sockets.AF_INET),
        (lambda x: x + struct.pack("=HH", 0, CGROUP_ID), sockets.AF_INET),
        (lambda x: x + struct.pack("=HH", 12, CGROUP_ID), sockets.AF_INET),
        (lambda x: x + struct.pack("=HH", 65535, CGROUP_ID) + bytes(8), sockets.AF_INET),
    ],
)
def test_a_row_of_another_shape_is_refused(change: Callable[[bytes], bytes], family: int) -> None:
    whole = row(socket(80, "10.0.0.1"), sockets.AF_INET, attribute(CGROUP_ID, bytes(8)))
    parse_row(memoryview(whole), sockets.AF_INET, "tcp")
    with pytest.raises(TableError):
        parse_row(memoryview(change(whole)), family, "tcp")


def test_a_socket_on_port_0_is_refused() -> None:
    with pytest.raises(TableError, match="port 0"):
        parse_row(memoryview(row(socket(0), sockets.AF_INET)), sockets.AF_INET, "tcp")


def test_a_udp_socket_that_is_being_bound_is_none_yet() -> None:
    assert parse_row(memoryview(row(socket(0), sockets.AF_INET)), sockets.AF_INET, "udp") is None


@pytest.mark.parametrize("length", [0, 15, 17, 200, 2**32 - 1])
def test_a_message_that_is_longer_or_shorter_than_it_says_is_refused(length: int) -> None:
    broken = struct.pack("=IHHII", length, DONE, MULTI, 1, 0)
    with pytest.raises(TableError, match="cut short"):
        dump("tcp", [broken])


@pytest.mark.parametrize("kind", [0, NOOP, OVERRUN, 16, 19, 21, 65535])
def test_a_message_of_another_type_is_refused(kind: int) -> None:
    with pytest.raises(TableError, match=f"type {kind}$"):
        dump("tcp", [message(kind, bytes(4)), DONE_MESSAGE])


def test_the_answer_to_another_request_is_passed_over() -> None:
    body = row(socket(80), sockets.AF_INET)
    stale = [message(BY_FAMILY, body, sequence=7), message(DONE, bytes(4), sequence=7)]
    stale.append(message(ERROR, struct.pack("=i", -errno.EPERM), sequence=7))
    assert dump("tcp", [*stale, DONE_MESSAGE]) == []


def test_an_answer_without_an_end_is_refused() -> None:
    body = message(BY_FAMILY, row(socket(80), sockets.AF_INET))
    with pytest.raises(TableError, match="ends before its end"):
        read("tcp", [body], 1)
    with pytest.raises(ObservationError, match="didn't answer sock_diag: timed out"):
        dump("tcp", [body])


def test_an_answer_of_endless_rows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sock_diag, "MOST_ROWS", 50)
    body = message(BY_FAMILY, row(socket(80), sockets.AF_INET))
    assert len(dump("tcp", [body] * 50 + [DONE_MESSAGE])) == 50
    with pytest.raises(TableError, match="over 50 rows"):
        _rows(receiver([body] * 1000), 1)


@pytest.mark.parametrize("kind", [ERROR, DONE])
@pytest.mark.parametrize("code", [errno.EPERM, errno.EINVAL, errno.ENOENT, errno.EOPNOTSUPP])
def test_an_error_code_is_told_by_its_name(kind: int, code: int) -> None:
    body = struct.pack("=i", -code) + bytes(16)
    with pytest.raises(ObservationError, match=f"refused sock_diag: {os.strerror(code)}"):
        dump("tcp", [message(kind, body)])


@pytest.mark.parametrize("kind", [ERROR, DONE])
@given(code=st.integers(-(2**31), 2**31 - 1).filter(bool))
@example(code=-(2**31))
@example(code=1)
def test_any_other_code_is_an_error_too(kind: int, code: int) -> None:
    with pytest.raises(ObservationError, match="refused sock_diag"):
        dump("tcp", [message(kind, struct.pack("=i", code))])


def test_an_error_of_code_0_is_none() -> None:
    body = message(BY_FAMILY, row(socket(80), sockets.AF_INET))
    assert len(dump("tcp", [message(ERROR, bytes(20)), body, DONE_MESSAGE])) == 1


# Interrupted dumps


def interrupted(one: Any) -> list[bytes]:
    """Return an answer that the kernel says is not all of its table."""
    body = row(one, sockets.AF_INET)
    return [
        message(BY_FAMILY, body, MULTI | INTERRUPTED) + message(BY_FAMILY, body),
        message(DONE, bytes(4), MULTI),
    ]


def test_an_interrupted_dump_is_asked_for_again() -> None:
    first, second = socket(80, device=0), socket(81, device=0)
    body = row(second, sockets.AF_INET)
    # The second answer has the sequence number of the second request.
    again = [message(BY_FAMILY, body, sequence=2), message(DONE, bytes(4), sequence=2)]
    link = Link([interrupted(first), again])
    found = _dump(link, *DUMPS["tcp"])  # type: ignore[arg-type]  # what it uses of a socket
    assert [x.port for x in found] == [81]
    assert [struct.unpack_from("=IHHII", x)[3] for x in link.sent] == [1, 2]


def test_an_interruption_told_at_the_end_counts() -> None:
    body = row(socket(80), sockets.AF_INET)
    answer = [message(BY_FAMILY, body), message(DONE, bytes(4), MULTI | INTERRUPTED)]
    with pytest.raises(InterruptedDumpError):
        read("tcp", answer, 1)


def test_a_dump_that_is_interrupted_each_time_is_unknown_and_not_empty() -> None:
    answers = [
        [message(DONE, bytes(4), MULTI | INTERRUPTED, sequence)] for sequence in range(1, 100)
    ]
    link = Link(answers)
    with pytest.raises(InterruptedDumpError, match="tcp table changed"):
        _dump(link, *DUMPS["tcp"])  # type: ignore[arg-type]  # what it uses of a socket
    assert 2 <= len(link.sent) <= 20


# Requests


@pytest.mark.parametrize("name", DUMPS)
def test_a_request_asks_for_listening_or_unconnected_sockets_alone(name: str) -> None:
    link = Link([[DONE_MESSAGE]])
    _dump(link, *DUMPS[name])  # type: ignore[arg-type]  # what it uses of a socket
    (request,) = link.sent
    length, kind, flags, sequence, _ = struct.unpack_from("=IHHII", request)
    assert (length, kind, flags, sequence) == (len(request), BY_FAMILY, 0x301, 1)
    # struct inet_diag_req_v2: 8 bytes and a socket id of 48.
    assert len(request) == 16 + 8 + 48
    family, number, _, state = DUMPS[name]
    assert struct.unpack_from("=BBBBI", request, 16) == (family, number, 0, 0, 1 << state)
    assert not any(request[24:])


def test_every_family_and_protocol_is_asked_for() -> None:
    assert sorted(sock_diag.DUMPS) == sorted(DUMPS.values())


class TestAKernelThatRefuses:
    """Where the next source is to be asked, as with any other answer that is none."""

    def test_a_socket(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: int) -> sockets.socket:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(netlink.socket, "socket", refuse)
        found = netlink._open_here()
        assert str(found) == "sock_diag can't be asked: Operation not permitted"
        assert isinstance(found, ObservationError)

    def test_a_request(self) -> None:
        link, other = sockets.socketpair(sockets.AF_UNIX, sockets.SOCK_SEQPACKET)
        other.close()
        with link, pytest.raises(ObservationError, match="the kernel didn't answer sock_diag: "):
            _dump(link, *DUMPS["tcp"])
