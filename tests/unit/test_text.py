"""What people read: safe to show, findings with what to do, and the table of ports."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from make import ANY, container, listener, publication

from pytest_exposed.model import Container, Finding, Process, Publication, endpoint, unmapped
from pytest_exposed.model.ports import Port, Ports
from pytest_exposed.report.text import failure_text, findings_lines, table, warnings_text
from pytest_exposed.text import did_you_mean, did_you_mean_file, one_line, plural, printable


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("a", "a"),
        ("ended; its log:\n  one:\n\n  two", "ended; its log: one: two"),
        ("ended\r\nand  more\n", "ended; and more"),
    ],
)
def test_lines_in_one(text: str, line: str) -> None:
    assert one_line(text) == line


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("serach", "search"),
        ("SEARCH", "search"),
        ("web-0", "web-2 or web-1"),
        ("etahub", ""),
    ],
)
def test_only_what_is_about_as_near_is_a_guess(name: str, guess: str) -> None:
    known = ["web-1", "web-2", "searching", "search"]
    assert did_you_mean(name, known) == (guess and f": did you mean {guess}?")


def test_a_missing_file_is_guessed_among_those_of_its_ending(tmp_path: Path) -> None:
    for name in ("ports.txt", "ports.md"):
        (tmp_path / name).touch()
    assert did_you_mean_file(tmp_path / "prots.txt") == ": did you mean ports.txt?"
    for other in ("ports.html", "nosuch/ports.txt"):
        assert did_you_mean_file(tmp_path / other) == ""


# What moves the cursor, adds a line, turns the direction of writing, hides, or is no character.
HIDDEN = [
    *("\x00", "\x07", "\x08", "\t", "\n", "\r", "\x1b", "\x7f", "\x80", "\x85", "\x9b", "\xad"),
    *("\u061c", "\u200b", "\u200e", "\u200f", "\u2028", "\u2029", "\u202a", "\u202e", "\u2066"),
    *("\u2069", "\ufeff", "\ue000", "\ud800", "\udfff", "\uffff", "\U000e0001", "\U0010ffff"),
]


@pytest.mark.parametrize("hidden", HIDDEN, ids=ascii)
def test_what_can_not_be_seen_is_escaped(hidden: str) -> None:
    text = printable(f"web{hidden}1")
    assert text.isprintable()
    assert hidden not in text
    # It can be told from the escape what it was.
    escaped = text.removeprefix("web").removesuffix("1")
    assert escaped.startswith("\\")
    assert escaped.encode().decode("unicode_escape") == hidden


@pytest.mark.parametrize(
    "text", ["", "web", "caf\xe9 \u65e5\u672c \U0001f600", "a b", "back\\slash", "'\"<>&%{}"]
)
def test_what_can_be_seen_stays(text: str) -> None:
    assert printable(text) == text


def test_escapes_are_those_of_python() -> None:
    assert printable("a\nb\x1b[2J\u202e\ud800") == r"a\nb\x1b[2J\u202e\ud800"


TEXTS = st.text(max_size=400) | st.text(st.sampled_from(["a", *HIDDEN]), max_size=400)


@given(TEXTS, st.integers(1, 300))
@example("\n" * 300, 256)
def test_any_text_is_printable_and_bounded(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert shown.isprintable()
    assert len(shown) <= 10 * limit
    assert not [x for x in shown if unicodedata.category(x) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    if text.isprintable():
        assert len(shown) <= limit
        assert shown == text or shown == text[: limit - 1] + "\u2026"
    assert (shown.count("\u2026") > text.count("\u2026")) <= (len(text) > limit)


def test_a_text_of_the_limit_is_whole_and_one_longer_is_cut() -> None:
    assert printable("x" * 256) == "x" * 256
    assert printable("x" * 257) == "x" * 255 + "\u2026"
    assert printable("abcdef", 4) == "abc\u2026"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 hosts"), (1, "1 host"), (2, "2 hosts"), (11, "11 hosts")]
)
def test_a_count_and_its_noun(count: int, text: str) -> None:
    assert plural(count, "host") == text


# Values


@pytest.mark.parametrize(
    ("address", "number", "text"),
    [(ANY, 80, "0.0.0.0:80"), ("::", 80, "[::]:80"), ("", 80, "*:80"), ("::1", 1, "[::1]:1")],
)
def test_an_endpoint_is_written_as_ss_does(address: str, number: int, text: str) -> None:
    assert endpoint(address, number) == text


@pytest.mark.parametrize(
    ("address", "ipv4"),
    [
        ("::ffff:0:0", ANY),
        ("::ffff:0.0.0.0", ANY),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("::ffff:a01:203", "10.1.2.3"),
        ("::ffff:1", "::ffff:1"),
        ("::", "::"),
        ("10.1.2.3", "10.1.2.3"),
    ],
)
def test_a_mapped_address_is_an_ipv4_one(address: str, ipv4: str) -> None:
    assert unmapped(address) == ipv4


def test_values_are_shown_by_their_parts() -> None:
    assert str(publication(80, 8080, "::1")) == "[::1]:8080->80/tcp"
    assert str(listener("53/udp", "::")) == "[::]:53/udp"
    assert str(Process(7, "a\nb")) == "a\\nb (pid 7)"
    assert str(container(name="w\x1b")) == "w\\x1b"
    assert str(Finding("silent", Port(80), "m", "f")) == "silent 80/tcp"
    assert str(Finding("host-network", None, "m", "f")) == "host-network"


# Findings


def finding(rule: str, port: int | str | None) -> Finding:
    return Finding(rule, Port.parse(port) if port else None, f"message {port}", f"fix {port}")


def test_a_finding_is_two_lines_what_and_what_to_do() -> None:
    lines = findings_lines([finding("silent", 80), finding("unreachable", "65535/sctp")])
    assert lines == [
        "  silent       80/tcp      message 80",
        "                           fix 80",
        "  unreachable  65535/sctp  message 65535/sctp",
        "                           fix 65535/sctp",
    ]


def test_a_finding_of_the_container_has_no_port() -> None:
    assert findings_lines([finding("host-network", None)]) == [
        "  host-network  -  message None",
        "                   fix None",
    ]
    assert findings_lines([]) == []


def test_neighbouring_ports_that_are_alike_share_their_two_lines() -> None:
    found = [finding("silent", x) for x in (80, 443, *range(10001, 12001))]
    assert findings_lines(found) == [
        "  silent  80/tcp           message 80",
        "                           fix 80",
        "  silent  443/tcp          message 443",
        "                           fix 443",
        "  silent  10001-12000/tcp  message 10001-12000",
        "                           fix 10001-12000",
    ]


def test_a_long_list_of_one_rule_is_cut_and_counted() -> None:
    found = [finding("silent", x) for x in range(1, 26, 2)] + [finding("ssh", 22)]
    lines = findings_lines(found)
    assert len(lines) == 2 * 10 + 2 + 1
    assert "message 19" in lines[18]
    assert not any("message 21" in x for x in lines)
    assert any("message 22" in x for x in lines)
    assert lines[-1] == "  silent  and 3 more ports: 21/tcp, 23/tcp, 25/tcp"
    assert "more" not in "".join(findings_lines(found[:10]))


# The table


def rows(text: list[str]) -> list[list[str]]:
    return [re.split(r"  +", x) for x in text]


def test_a_failure_shows_findings_then_the_table() -> None:
    one = container(
        listener(80, ANY, "reachable", Process(1, "python3")), image_name="webapp:noexpose"
    )
    found = Finding("undocumented", Port(80), "python3 (pid 1) listens", "add: EXPOSE 80/tcp")
    assert failure_text(one, [found]).splitlines() == [
        "web (webapp:noexpose) does not match its image",
        "  undocumented  80/tcp  python3 (pid 1) listens",
        "                        add: EXPOSE 80/tcp",
        "",
        "PORT    DOCUMENTED  PUBLISHED  LISTENING   PROCESS",
        "80/tcp  -           -          0.0.0.0:80  python3 (pid 1)",
    ]


@pytest.mark.parametrize(
    ("one", "shown"),
    [
        (container(listener("5353/udp")), ["0.0.0.0:5353 (multicast)"]),
        (container(listener("5353/udp", "127.0.0.1", "loopback")), ["127.0.0.1:5353 (loopback)"]),
        # What is documented or published, and what has the number alone, is a port like any other.
        (container(listener("5353/udp"), documented=["5353/udp"]), ["0.0.0.0:5353"]),
        (container(listener("5353/udp"), published=[publication("5353/udp")]), ["0.0.0.0:5353"]),
        (container(listener("5353/udp"), listener(5353)), ["0.0.0.0:5353"] * 2),
        (container(listener("5354/udp")), ["0.0.0.0:5354"]),
    ],
)
def test_a_port_of_multicast_discovery_is_marked(one: Container, shown: list[str]) -> None:
    assert [x[3] for x in rows(table(one))[1:]] == shown


def test_a_heading_names_the_image_unless_the_container_is_called_by_it() -> None:
    assert warnings_text(container(), ()) == "web (webapp:1)"
    assert warnings_text(container(name="webapp:1"), ()) == "webapp:1"


def test_the_columns_are_aligned_and_the_ports_sorted() -> None:
    one = container(
        listener(443, "::", "reachable", Process(1, "nginx"), v6only=True),
        listener("53/udp", "127.0.0.1", "loopback"),
        documented=[443],
        declared=["9/sctp"],
        published=[publication(443, 8443), publication(443, 8443, "::")],
    )
    lines = table(one)
    assert rows(lines) == [
        ["PORT", "DOCUMENTED", "PUBLISHED", "LISTENING", "PROCESS"],
        ["9/sctp", "run time", "-", "-", "-"],
        ["53/udp", "-", "-", "127.0.0.1:53 (loopback)", "-"],
        ["443/tcp", "yes", "0.0.0.0:8443, [::]:8443", "[::]:443 (IPv6 only)", "nginx (pid 1)"],
    ]
    columns = [[x.start() for x in re.finditer(r"(?<![^ ] )(?<![^ ])[^ ]", y)] for y in lines]
    assert len({tuple(x) for x in columns}) == 1
    assert not any(x.endswith(" ") for x in lines)


@pytest.mark.parametrize("kind", ["loopback", "unreachable", "ephemeral", "unattributed"])
def test_a_listener_that_is_not_reachable_says_so(kind: str) -> None:
    (_, row) = rows(table(container(listener(80, ANY, kind))))  # type: ignore[arg-type]  # a Kind
    assert row[3] == f"0.0.0.0:80 ({kind})"


def test_neighbouring_ports_that_are_alike_share_a_line() -> None:
    server = Process(1, "ftpd")
    one = container(
        *(listener(x, ANY, "reachable", server) for x in range(7000, 7004)),
        documented=["7000-7003", "5353/udp", "7001/udp"],
        published=[publication(x, x + 1000) for x in range(7000, 7004)],
    )
    assert rows(table(one))[1:] == [
        ["5353/udp", "yes", "-", "-", "-"],
        ["7000-7003/tcp", "yes", "0.0.0.0:8000-8003", "0.0.0.0:7000-7003", "ftpd (pid 1)"],
        ["7001/udp", "yes", "-", "-", "-"],
    ]


@pytest.mark.parametrize(
    "one",
    [
        container(documented=[80], declared=[81]),
        container(listener(80), listener(81, "127.0.0.1", "loopback")),
        container(listener(80), listener(81, "10.0.0.1")),
        container(listener(80), listener(81, ANY, "unattributed")),
        container(listener(80), listener(81, v6only=True)),
        container(listener(80), listener(81, ANY, "reachable", Process(1, "x"))),
        container(listener(80), listener(81), documented=[81]),
        container(listener(80), listener(81), listener(81, "::")),
        container(published=[publication(80, 8080), publication(81, 8082)]),
        container(published=[publication(80, 8080), publication(81, 8081, "::")]),
        container(published=[publication(80, 8080)], documented=[80, 81]),
        container(documented=["80/tcp", "81/udp"]),
        container(documented=[80, 82]),
    ],
)
def test_neighbouring_ports_that_differ_have_lines_of_their_own(one: object) -> None:
    assert len(table(one)) == 3  # type: ignore[arg-type]  # a Container


@given(
    st.frozensets(st.integers(1, 12), max_size=8),
    st.frozensets(st.integers(1, 12), max_size=8),
    st.frozensets(st.integers(1, 12), max_size=8),
)
def test_every_port_stands_in_one_line(
    documented: frozenset[int], listening: frozenset[int], published: frozenset[int]
) -> None:
    one = container(
        *map(listener, sorted(listening)),
        documented=documented,
        published=[publication(x, x + 100) for x in sorted(published)],
    )
    lines = table(one)
    if not documented | listening | published:
        assert lines == ["no port is documented, published or listening"]
        return
    shown = [Ports.parse(x[0]) for x in rows(lines)[1:]]
    assert Ports.parse(*shown) == documented | listening | published
    assert sum(map(len, shown)) == len(documented | listening | published)
    for ports, row in zip(shown, rows(lines)[1:], strict=True):
        assert (row[1] == "yes") == (ports <= documented)
        assert (row[2] != "-") == (ports <= published)
        assert (row[3] not in ("-", "on demand")) == (ports <= listening)


def test_few_of_many_processes_are_shown() -> None:
    owners = [Process(x, "w") for x in range(1, 7)]
    one = container(
        listener(80, ANY, "reachable", *owners[:4]), listener(80, "::", "reachable", *owners)
    )
    assert rows(table(one))[1][4] == "w (pid 1), w (pid 2), w (pid 3), 3 more"


def test_a_container_without_ports_has_no_table_and_notes_stand_below() -> None:
    assert table(container()) == ["no port is documented, published or listening"]
    notes = ("-p 80/tcp has no effect", "two")
    assert table(container(notes=notes))[1:] == [f"note: {x}" for x in notes]
    assert table(container(documented=[80], notes=notes))[2:] == [f"note: {x}" for x in notes]


def test_what_is_waived_stands_below_with_its_reason() -> None:
    verdict = tuple(
        Finding("silent", Port(x), "m", "f", waived=reason)
        for x, reason in ((80, "why\n"), (81, ""), (82, None), (90, "old"), (91, "old"))
    )
    of_all = Finding("host-network", None, "m", "f", waived="")
    assert table(container(verdict=(*verdict, of_all)))[1:] == [
        "accepted: silent 80/tcp (why\\n)",
        "accepted: silent 81/tcp",
        "accepted: silent 90-91/tcp (old)",
        "accepted: host-network",
    ]


@given(TEXTS, TEXTS, TEXTS)
def test_every_line_is_printable_whatever_the_names(name: str, image: str, process: str) -> None:
    one = container(
        listener(80, ANY, "reachable", Process(1, process)),
        name=name,
        image_name=image,
        published=[Publication(Port(81), "", 81)],
    )
    text = failure_text(one, [finding("silent", 81)])
    assert all(x.isprintable() for x in text.split("\n"))
    assert len(text.split("\n")) == 7
