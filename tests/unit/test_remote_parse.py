"""What helpers and cats write: read whole and strictly, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from make import DATA

from pytest_exposed.errors import ObservationError
from pytest_exposed.sockets import exec as exec_
from pytest_exposed.sockets import helper
from pytest_exposed.sockets.helper_script import SCRIPT, parse
from pytest_exposed.sockets.reading import SocketSnapshot, Target
from pytest_exposed.sockets.remote import MOST_LINES
from pytest_exposed.sockets.source import Shared
from pytest_exposed.sockets.table import TableError
from pytest_exposed.sockets.tables.tcp_udp import READINGS

HELPER = (DATA / "helper").read_bytes()
EXEC = (DATA / "exec").read_bytes()

WEB = "ed4d2b5b0e897872394b06779298814197b3816ac75e67f505796eb8575bba63"
JOINER = "89a5f731168db3da2aca98b23d50bc3d948c8799605891eac11eb0bde034b559"
IDLE = "5eacebf4ed0a55331c67ac1fb0f5a85f21dfef76b9407649fac8baeba10081cd"

SHARED = {
    "tcp 0.0.0.0:80",
    "tcp 0.0.0.0:81",
    "tcp 127.0.0.1:9000",
    "tcp :::8080",
    "udp 0.0.0.0:53",
    "udp 0.0.0.0:52996",
    "udp :::5353",
}
"""The sockets in the namespace of web, which joiner shares; 52996 is a client's."""


class Says:
    """An engine where a helper, and every container's cat, writes a given text."""

    byteorder = "little"

    def about(self, name: str) -> str:
        return {"CgroupDriver": "cgroupfs"}.get(name, "")

    def __init__(self, text: bytes) -> None:
        self._text = text

    def run_helper(self, script: str, arguments: Sequence[str], end: bytes) -> bytes:
        asked, *ids = arguments
        assert script == SCRIPT
        assert end == f"\n@done {asked}\n".encode()
        assert set(ids) == {WEB, JOINER, IDLE}
        return self._text.replace(b"@done\n", end[1:])

    def execute(self, container: str, command: Sequence[str]) -> bytes:
        assert container == WEB
        assert command == exec_.COMMAND
        return self._text


def target(identity: str, place: str = "", *addresses: str) -> Target:
    """Return a container to ask for, in its own namespace or at another's place."""

    def no_pid() -> int:
        raise ObservationError("its pid is not asked for")

    shares = place != ""
    return Target(identity, frozenset(addresses), place or identity, shares, no_pid)


TARGETS = (target(WEB, WEB, "172.19.0.2"), target(JOINER, WEB), target(IDLE))

SocketSnapshots = dict[str, "SocketSnapshot | ObservationError"]


def by_helper(text: bytes) -> SocketSnapshots:
    return helper.observe(TARGETS, Shared([WEB, JOINER, IDLE], Says(text)))


def by_exec(text: bytes) -> SocketSnapshots:
    return exec_.observe(TARGETS[:1], Shared([], Says(text)))


def sockets(answer: SocketSnapshot | ObservationError) -> set[str]:
    """Return the sockets of a reading: "tcp 0.0.0.0:80"."""
    assert isinstance(answer, SocketSnapshot), answer
    return {f"{x.protocol} {x.address}:{x.port}" for x in answer.sockets}


# The text as it was


def test_the_helper_tells_each_containers_namespace() -> None:
    answers = by_helper(HELPER)
    assert {k: sockets(v) for k, v in answers.items()} == {
        WEB: SHARED,
        JOINER: SHARED,
        IDLE: set(),
    }


def test_the_helper_tells_namespaces_apart() -> None:
    web, joiner, idle = (by_helper(HELPER)[x] for x in (WEB, JOINER, IDLE))
    assert isinstance(web, SocketSnapshot)
    assert isinstance(joiner, SocketSnapshot)
    assert isinstance(idle, SocketSnapshot)
    assert web.namespace == joiner.namespace != idle.namespace
    assert (web.shared, joiner.shared, idle.shared) == (True, True, False)
    assert web.addresses is not None
    assert "172.19.0.2" in web.addresses
    assert (web.source, web.cgroups, web.held, web.local_ports) == ("helper", None, None, None)


def test_exec_tells_one_containers_namespace() -> None:
    (answer,) = by_exec(EXEC).values()
    assert sockets(answer) == SHARED
    assert isinstance(answer, SocketSnapshot)
    assert (answer.source, answer.ipv6) == ("exec", False)
    assert answer.addresses is not None
    assert "172.19.0.2" in answer.addresses


def test_exec_tells_no_addresses_where_there_is_no_table_of_them() -> None:
    # A kernel that is not Linux's own, such as gVisor's, has none; and one that is empty looks so.
    (answer,) = by_exec(EXEC[: EXEC.index(b"Main:\n")]).values()
    assert isinstance(answer, SocketSnapshot)
    assert answer.addresses is None


def test_exec_tells_a_container_that_is_elsewhere() -> None:
    (answer,) = by_exec(EXEC.replace(b"172.19.0.2\n", b"172.19.0.3\n")).values()
    assert isinstance(answer, ObservationError)
    assert "172.19.0.2" in str(answer)


def test_exec_tells_ipv6_by_the_addresses_that_follow() -> None:
    lo = b"00000000000000000000000000000001 01 80 10 80       lo\n"
    eth0 = b"20010db8000000000000000000000010 02 40 00 80     eth0\n"
    found = [by_exec(EXEC + x)[WEB] for x in (b"", lo, lo + eth0)]
    assert [x.ipv6 for x in found if isinstance(x, SocketSnapshot)] == [False, False, True]


# Cut texts


def test_a_cut_text_of_the_helper_is_refused() -> None:
    for end in range(0, len(HELPER), 13):
        with pytest.raises(TableError):
            parse(HELPER[:end], b"@done\n")
        assert {type(x) for x in by_helper(HELPER[:end]).values()} == {TableError}


def test_the_answer_to_another_question_is_refused() -> None:
    another = HELPER.replace(b"@done\n", b"@done 5\n")
    for text in (another, another + HELPER):
        assert {type(x) for x in by_helper(text).values()} == {TableError}
        with pytest.raises(TableError):
            parse(text, b"@done\n")


def test_a_cut_text_of_a_cat_lacks_whole_lines_at_most() -> None:
    # The kernel's tables don't say how long they are: the exit code of cat does.
    for end in range(len(EXEC)):
        text = EXEC[:end]
        (answer,) = by_exec(text).values()
        if isinstance(answer, SocketSnapshot):
            assert text.endswith(b"\n")
            assert b" inode ref pointer drops" in text
            assert sockets(answer) <= SHARED
        else:
            # Or the container's own address is among the lines that are missing.
            assert not text.endswith(b"\n") or (b"Main:" in text) != (b" drops" not in text)


# Long texts


@pytest.mark.parametrize("line", [b"", b"x", b"@", b"fe80" + b"0" * 28 + b" 02 40 20 80 eth0"])
def test_more_lines_than_any_table_has_are_refused(line: bytes) -> None:
    """Ten seconds of a hostile `cat` would be minutes of parsing, and a gigabyte of lines."""
    many = (line + b"\n") * (MOST_LINES + 1)
    for answers in (by_exec(EXEC + many), by_helper(HELPER + many + b"@done\n")):
        assert {type(x) for x in answers.values()} == {TableError}


# Changed texts

Change = Callable[[bytes], bytes]


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Draw a change of a text: of bytes or lines, anywhere."""
    place, other = draw(st.integers(0, 20_000)), draw(st.integers(0, 20_000))
    junk = draw(st.binary(max_size=6) | st.sampled_from([b"\n", b"@", b"@end\n", b"\xff", b" 0"]))
    kind = draw(st.sampled_from(["put", "set", "cut", "drop line", "copy line", "swap lines"]))

    def change(text: bytes) -> bytes:
        if kind in ("put", "set", "cut"):
            a = place % (len(text) + 1)
            b = {"put": a, "set": a + len(junk), "cut": a + other % 400}[kind]
            return text[:a] + (b"" if kind == "cut" else junk) + text[b:]
        lines = text.splitlines(keepends=True) or [b""]
        a, b = place % len(lines), other % len(lines)
        if kind == "drop line":
            del lines[a]
        elif kind == "copy line":
            lines.insert(b, lines[a])
        else:
            lines[a], lines[b] = lines[b], lines[a]
        return b"".join(lines)

    return change


@given(st.lists(changes(), min_size=1, max_size=4))
def test_a_changed_text_of_the_helper_is_read_or_refused(found: list[Change]) -> None:
    text = HELPER
    for change in found:
        text = change(text)
    for answer in by_helper(text).values():
        assert isinstance(answer, (SocketSnapshot, ObservationError))
        assert isinstance(answer, SocketSnapshot) or str(answer).isprintable()


@given(st.lists(changes(), min_size=1, max_size=4))
def test_a_changed_text_of_a_cat_is_read_or_refused(found: list[Change]) -> None:
    text = EXEC
    for change in found:
        text = change(text)
    for answer in by_exec(text).values():
        assert isinstance(answer, (SocketSnapshot, ObservationError))
        assert isinstance(answer, SocketSnapshot) or str(answer).isprintable()


@given(st.binary(max_size=400) | st.text("@\n processtablnm0123456789:ABCDEF").map(str.encode))
@example(b"\n")
@example(b"@done\n")
@example(b"@process\n@done\n")
@example(b"@process 1 2 x\n@end\n@done\n")
@example(b"@alike 1 2\n@done\n")
@example(b"@alike\n@done\n")
@example(b"@process 99999999999999999999999999\n@done\n")
@example("@process ²\n@done\n".encode())
def test_any_text_is_read_or_refused(text: bytes) -> None:
    for answer in [*by_helper(text).values(), *by_exec(text).values()]:
        assert isinstance(answer, ObservationError)
        assert str(answer).isprintable()


# One change, and just what it must come to


def replaced(old: bytes, new: bytes, *, count: int = -1) -> bytes:
    assert old in HELPER
    return HELPER.replace(old, new, count)


def after_of(identity: str) -> bytes:
    """Return the end of what is printed of a container: its cgroup file, read again."""
    lines = [x for x in HELPER.splitlines() if x.endswith(identity.encode())]
    return b"@after\n" + b"\n".join(lines[: len(lines) // 2]) + b"\n"


@pytest.mark.parametrize(
    "text",
    [
        # It ended meanwhile: its cgroup can't be read any more.
        replaced(after_of(WEB), b"@after\n"),
        # It went to another container's cgroup meanwhile.
        replaced(after_of(WEB), after_of(WEB).replace(WEB.encode(), JOINER.encode())),
        # It names two containers: its own, and in a cgroup below another's.
        replaced(WEB.encode(), f"{WEB}/{JOINER}".encode()),
        # It went to another network namespace meanwhile.
        HELPER.replace(b"@namespace", b"@nothing", 2).replace(b"@nothing 9476\n", b"", 1),
        # Its end is missing.
        replaced(b"@end\n", b"", count=1),
    ],
    ids=["ended", "other cgroup", "two names", "marks", "no end"],
)
def test_a_process_that_is_not_proven_is_nobodys(text: bytes) -> None:
    answers = by_helper(text)
    assert isinstance(answers[WEB], ObservationError)
    if answers[JOINER] != answers[WEB]:
        assert sockets(answers[JOINER]) == SHARED
        assert sockets(answers[IDLE]) == set()


def test_a_process_elsewhere_than_the_containers_address_is_not_believed() -> None:
    answers = by_helper(replaced(b"172.19.0.2\n", b"172.19.0.3\n"))
    assert isinstance(answers[WEB], ObservationError)
    assert "172.19.0.2" in str(answers[WEB])


def test_a_table_that_is_missing_is_not_an_empty_one() -> None:
    tcp = HELPER[HELPER.index(b"@table tcp\n") : HELPER.index(b"@table tcp6\n")]
    failed = HELPER.replace(tcp, b"@table tcp\n@failed\n", 1)
    for text in (HELPER.replace(tcp, b"", 1), failed):
        assert str(by_helper(text)[WEB]) == "the text has no table tcp"
    for name in ("tcp6", "udp6", "sctp/eps"):
        text = HELPER.replace(f"@table {name}\n".encode(), b"@table sctp/eps\n@failed\n", 1)
        assert isinstance(by_helper(text)[WEB], (SocketSnapshot, ObservationError))


def test_tables_of_udp_are_read_several_times() -> None:
    assert [exec_.COMMAND.count(f"/proc/self/net/{x}") for x in ("udp", "udp6")] == [READINGS] * 2
    reading = " ".join(['"$1/net/$table"'] * READINGS)
    assert f"udp*) cat {reading} ;;" in SCRIPT


def test_a_long_table_of_udp_that_is_told_once_is_not_believed() -> None:
    start, end = HELPER.index(b"@table udp\n"), HELPER.index(b"@table udp6\n")
    heading, row = HELPER[start:end].splitlines(keepends=True)[1:3]
    for times in (1, 2):
        long = HELPER[:start] + b"@table udp\n" + (heading + row * 60) * times + HELPER[end:]
        answer = by_helper(long)[WEB]
        assert isinstance(answer, SocketSnapshot) is (times == 2), answer


def test_a_table_of_another_machines_byte_order_is_read_so() -> None:
    class Big(Says):
        byteorder = "big"

    (answer,) = exec_.observe(TARGETS[:1], Shared([], Big(EXEC))).values()
    assert "tcp 1.0.0.127:9000" in sockets(answer)


def test_a_process_that_has_gone_is_left_out_unless_another_was_in_its_namespace() -> None:
    whole, alike, _ = parse(HELPER, b"@done\n")
    for pid in [x.pid for x in whole]:
        text = HELPER.replace(b"@host", f"@gone {pid}\n@host".encode(), 1)
        left = {x.pid for x in parse(text, b"@done\n")[0]}
        assert (pid in left) is (pid in alike.values())
    assert {x.pid in alike.values() for x in whole} == {True, False}
