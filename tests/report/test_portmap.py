"""The map of ports: which ports share a column, what a cell says, which findings are one."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make import ANY, container, listener, publication

from pytest_exposed.model import Container, Kind, Process
from pytest_exposed.model.ports import Port, Ports
from pytest_exposed.report.portmap import (
    Cell,
    cells_of,
    columns_of,
    folded,
    label,
)
from pytest_exposed.report.record import of_container
from pytest_exposed.rules.judge import findings
from pytest_exposed.rules.selection import select

if TYPE_CHECKING:
    from report.document import Record


def record(*listeners: Any, judged: bool = True, **rest: Any) -> Record:
    one: Container = container(*listeners, **rest)
    verdict = findings(one, select()) if judged else ()
    return of_container(replace(one, verdict=verdict))


def unseen(*published: Any, declared: tuple[str, ...] = ()) -> Record:
    nothing = dict.fromkeys(("documented", "listening", "listeners", "findings", "source"))
    return record(published=published, declared=declared) | nothing | {"error": "can't look"}


def letters(one: Record) -> dict[str, str]:
    return {str(x): y.letters for x, y in cells_of(one).items()}


def columns(*records: Record) -> list[str]:
    return [x.label for x in columns_of([cells_of(x) for x in records])]


def kinds(*names: Kind, port: int | str = 80) -> list[Any]:
    return [listener(port, ANY, x) for x in names]


# What a cell says


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (record(listener(80), documented=[80], published=[publication(80)]), "DLP"),
        (record(documented=[80]), "D··"),
        (record(listener(80)), "·L·"),
        (record(declared=[80]), "r··"),
        (record(published=[publication(80)]), "r·P"),
        (record(*kinds("loopback"), documented=[80]), "Di·"),
        (record(*kinds("unreachable"), documented=[80]), "Di·"),
        (record(*kinds("ephemeral", port="80/udp")), "·e·"),
        # Of several listeners the one that counts most.
        (record(*kinds("loopback", "reachable"), documented=[80]), "DL·"),
        (record(*kinds("ephemeral", "loopback")), "·i·"),
        # What is unknown is not empty.
        (record(*kinds("unattributed")), "·?·"),
        (record(*kinds("loopback", "unattributed")), "·?·"),
        (unseen(publication(80)), "??P"),
        (unseen(declared=("80",)), "??·"),
    ],
)
def test_three_letters_tell_documented_listening_published(one: Record, said: str) -> None:
    assert list(letters(one).values()) == [said]


def test_words_tell_addresses_processes_and_ranges() -> None:
    owner = Process(7, "voice")
    ports = [f"{x}/udp" for x in range(5000, 5004)]
    one = record(
        *(listener(x, "::", "reachable", owner) for x in ports),
        listener(80, "127.0.0.1", "loopback"),
        documented=ports,
        published=[publication(x, Port.parse(x).number + 1000, "::1") for x in ports],
    )
    cells = cells_of(one)
    span = [Port.parse(x) for x in ports]
    assert cells[span[0]].words(span) == (
        "yes",
        "[::]:5000-5003",
        "voice (pid 7)",
        "[::1]:6000-6003",
    )
    assert cells[Port(80)].words([Port(80)]) == ("-", "127.0.0.1:80 (loopback)", "-", "-")


def test_words_of_a_container_that_was_not_seen_say_so() -> None:
    cells = cells_of(unseen(publication(80, 8080)))
    assert cells[Port(80)].words([Port(80)]) == ("unknown", "unknown", "unknown", f"{ANY}:8080")


# Columns


def test_columns_are_all_ports_by_number_then_protocol() -> None:
    one = record(listener("53/udp"), listener(8080), documented=[53, 443])
    assert columns(one, record(listener("53/udp"), listener(22))) == [
        "22/tcp",
        "53/tcp",
        "53/udp",
        "443/tcp",
        "8080/tcp",
    ]


def test_all_ports_exposed_are_one_column() -> None:
    assert columns(record(documented=["1-65535"], judged=False)) == ["1-65535/tcp"]


def test_a_range_ends_where_a_container_differs() -> None:
    split = ["7000-7079/tcp", "7080/tcp", "7081-7999/tcp"]
    wide = ["7000-7999"]
    assert columns(record(documented=wide), record(listener(7080), documented=[7080])) == split
    assert columns(record(listener(7080), documented=wide)) == split


def test_a_few_neighbours_keep_columns_of_their_own() -> None:
    assert columns(record(documented=["7000-7002"])) == ["7000/tcp", "7001/tcp", "7002/tcp"]
    assert columns(record(documented=["7000-7003"])) == ["7000-7003/tcp"]
    # Alike is not enough: 53/tcp and 54/udp are no neighbours.
    assert len(columns(record(documented=["50-51", "52-53/udp"]))) == 4


def test_published_ranges_fold_where_the_distance_to_the_host_is_the_same() -> None:
    ports = range(9000, 9010)
    assert columns(record(published=[publication(x, x + 1000) for x in ports])) == ["9000-9009/tcp"]
    scattered = [publication(x, x * 2) for x in ports]
    assert len(columns(record(published=scattered))) == 10


def test_clients_share_the_last_column() -> None:
    clients = [record(*kinds("ephemeral", port=f"{x}/udp")) for x in range(40000, 40100, 3)]
    web = record(listener(80), documented=[80])
    assert columns(*clients, web) == ["80/tcp", "ephemeral"]
    # Where another container documents the port it is a column.
    assert columns(*clients[:2], record(documented=["40000/udp"])) == ["40000/udp", "ephemeral"]


def test_ports_beyond_what_a_table_can_show_share_a_column() -> None:
    scattered = record(*(listener(x) for x in range(1001, 3001, 2)))
    usual = [record(listener(x), documented=[x]) for x in (80, 443, 5432)] * 2
    found = columns_of([cells_of(x) for x in [*usual, scattered]])
    assert len(found) == 151
    assert found[-1].label == "other ports"
    assert len(found[-1].of(cells_of(scattered))) == 1000 - (150 - 3)
    # What most containers have comes first, then what is wrong.
    assert [x.label for x in found][:3] == ["80/tcp", "443/tcp", "1001/tcp"]
    assert found[-2].label == "5432/tcp"
    fine = record(documented=range(2, 400, 2), judged=False)
    kept = columns(scattered, fine)
    assert len(kept) == 151
    assert kept[0] == "1001/tcp"


PORTS = st.builds(Port, st.one_of(st.integers(1, 12), st.sampled_from([65535, 8080])))
CELLS = st.sampled_from(
    [
        Cell("yes", (), (), ()),
        Cell("-", (), ((ANY, "reachable", None, None),), (("undocumented", False),)),
        Cell("-", (), ((ANY, "ephemeral", None, None),), ()),
        Cell("unknown", ((ANY, 0),), None, ()),
    ]
)
ROWS = st.lists(st.dictionaries(PORTS, CELLS, max_size=12), max_size=4)


@given(ROWS)
def test_every_port_of_every_container_is_in_one_column(rows: list[dict[Port, Cell]]) -> None:
    found = columns_of(rows)
    for row in rows:
        held = [port for column in found for port in column.of(row)]
        assert sorted(held) == sorted(row)
    for column in found:
        for row in rows:
            if not column.mixed:
                assert len({row.get(port) for port in column.ports}) == 1


@given(st.dictionaries(PORTS, st.booleans()), st.integers(2, 5))
def test_folding_keeps_every_port_and_folds_all_it_can(alike: dict[Port, bool], least: int) -> None:
    parts = folded(alike, least)
    assert sorted(itertools.chain(*parts)) == sorted(alike)
    assert [x[0] for x in parts] == sorted(x[0] for x in parts)
    for part in parts:
        assert len(part) == 1 or len(part) >= least
        assert len({alike[x] for x in part}) == 1
        assert Ports(part).ranges() == [label(part)]
    twos = folded(alike)
    assert not any(
        x[-1].number + 1 == y[0].number and alike[x[-1]] == alike[y[0]]
        for x, y in itertools.pairwise(twos)
    )
