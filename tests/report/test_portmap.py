"""The ports of a container in words: which share a tile, and what is said of each."""

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
    folded,
    label,
    tiles_of,
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


def briefs(one: Record) -> dict[str, str]:
    return {str(x): y.brief for x, y in cells_of(one).items()}


def tiles(one: Record) -> list[str]:
    return [x.label for x in tiles_of(cells_of(one))]


def kinds(*names: Kind, port: int | str = 80) -> list[Any]:
    return [listener(port, ANY, x) for x in names]


# What a tile says


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (
            record(listener(80), documented=[80], published=[publication(80)]),
            "documented, listening, published",
        ),
        (record(documented=[80]), "documented, not listening"),
        (record(listener(80)), "not documented, listening"),
        (record(declared=[80]), "declared, not listening"),
        (record(published=[publication(80)]), "declared, not listening, published"),
        (record(*kinds("loopback"), documented=[80]), "documented, only inside"),
        (record(*kinds("unreachable"), documented=[80]), "documented, only inside"),
        (record(*kinds("ephemeral", port="80/udp")), "not documented, ephemeral"),
        # Of several listeners the one that counts most.
        (record(*kinds("loopback", "reachable"), documented=[80]), "documented, listening"),
        (record(*kinds("ephemeral", "loopback")), "not documented, only inside"),
        # What is unknown is not empty.
        (record(*kinds("unattributed")), "not documented, listener unknown"),
        (record(*kinds("loopback", "unattributed")), "not documented, listener unknown"),
        (unseen(publication(80)), "unknown, published"),
        (unseen(declared=("80",)), "unknown"),
    ],
)
def test_a_tile_says_documented_listening_published(one: Record, said: str) -> None:
    assert list(briefs(one).values()) == [said]


@pytest.mark.parametrize(
    ("one", "kind"),
    [
        (record(listener(80), documented=[80]), "some"),
        (record(documented=[80]), "differs"),
        (record(*kinds("unattributed"), judged=False), "unseen"),
        (unseen(publication(80)), "unseen"),
    ],
)
def test_a_tile_is_as_bad_as_what_is_found(one: Record, kind: str) -> None:
    assert [x.kind for x in cells_of(one).values()] == [kind]


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
    assert cells[Port(80)].words([Port(80)]) == (
        "no",
        "127.0.0.1:80 (loopback)",
        "unknown",
        "no",
    )


def test_words_of_a_container_that_was_not_seen_say_so() -> None:
    cells = cells_of(unseen(publication(80, 8080)))
    assert cells[Port(80)].words([Port(80)]) == ("unknown", "unknown", "unknown", f"{ANY}:8080")


def test_words_tell_when_a_listener_was_seen() -> None:
    one = record(replace(listener(80), seen="from 4.2 s to 9.8 s"))
    words = cells_of(one)[Port(80)].words([Port(80)])
    assert words[1] == f"{ANY}:80 (from 4.2 s to 9.8 s)"


# Tiles


def test_tiles_are_all_ports_by_number_then_protocol() -> None:
    one = record(*(listener(x) for x in ("53/udp", 8080, 443)), documented=["53/udp", 8080, 443])
    assert tiles(one) == ["53/udp", "443/tcp", "8080/tcp"]


def test_what_is_wrong_comes_first() -> None:
    one = record(listener(22), listener(8080), documented=[22, 443])
    assert tiles(one) == ["443/tcp", "8080/tcp", "22/tcp"]


def test_all_ports_exposed_are_one_tile() -> None:
    assert tiles(record(documented=["1-65535"], judged=False)) == ["1-65535/tcp"]


def test_a_range_ends_where_a_port_differs() -> None:
    one = record(listener(7080), documented=["7000-7999"], judged=False)
    assert tiles(one) == ["7000-7079/tcp", "7080/tcp", "7081-7999/tcp"]
    # Alike is not enough: 51/tcp and 52/udp are no neighbours.
    assert tiles(record(documented=["50-51", "52-53/udp"], judged=False)) == [
        "50-51/tcp",
        "52-53/udp",
    ]


def test_published_ranges_fold_where_the_distance_to_the_host_is_the_same() -> None:
    ports = range(9000, 9010)
    alike = record(published=[publication(x, x + 1000) for x in ports], judged=False)
    assert tiles(alike) == ["9000-9009/tcp"]
    scattered = [publication(x, x * 2) for x in ports]
    assert len(tiles(record(published=scattered, judged=False))) == 10


def test_clients_share_a_tile() -> None:
    clients = kinds("ephemeral", port="40000/udp") + kinds("ephemeral", port="50000/udp")
    one = record(listener(80), *clients, documented=[80])
    assert tiles(one) == ["80/tcp", "2 ephemeral ports"]
    documented = record(*clients, documented=["40000/udp"], judged=False)
    assert tiles(documented) == ["40000/udp", "1 ephemeral port"]


def test_ports_that_nobody_chose_share_a_tile() -> None:
    chosen_by_none = [replace(listener(x), dynamic=True) for x in (40001, 50001)]
    one = record(listener(80), *chosen_by_none, documented=[80])
    (dynamic, web) = tiles_of(cells_of(one))
    assert dynamic == ("2 dynamic ports", "not documented", "differs", ("dynamic",))
    assert web.label == "80/tcp"


def test_a_port_of_multicast_discovery_says_so() -> None:
    one = record(listener("5353/udp"))
    assert [x.get("multicast") for x in one["listeners"] or ()] == [True]
    ((port, cell),) = cells_of(one).items()
    assert cell.words([port])[1] == "0.0.0.0:5353 (multicast)"
    (tile,) = tiles_of({port: cell})
    assert tile[:3] == ("5353/udp", "not documented, multicast", "some")


PORTS = st.builds(Port, st.one_of(st.integers(1, 12), st.sampled_from([65535, 8080])))
CELLS = st.sampled_from(
    [
        Cell("yes", (), (), ()),
        Cell("no", (), ((ANY, "reachable", None, None, None),), (("undocumented", "differs"),)),
        Cell("no", (), ((ANY, "ephemeral", None, None, None),), ()),
        Cell("unknown", ((ANY, 0),), None, ()),
    ]
)


@given(st.dictionaries(PORTS, CELLS, max_size=12))
def test_every_port_of_a_container_has_a_tile(cells: dict[Port, Cell]) -> None:
    found = tiles_of(cells)
    clients = sum(x.crowd is not None for x in cells.values())
    ports = [Ports.parse([x.label]) for x in found if "ephemeral" not in x.label]
    assert sum(map(len, ports)) == len(cells) - clients
    assert [x.label for x in found if "ephemeral" in x.label] == (
        [f"{clients} ephemeral port{'s' if clients > 1 else ''}"] if clients else []
    )


@given(st.dictionaries(PORTS, st.booleans()))
def test_folding_keeps_every_port_and_folds_all_it_can(alike: dict[Port, bool]) -> None:
    parts = folded(alike)
    assert sorted(itertools.chain(*parts)) == sorted(alike)
    assert [x[0] for x in parts] == sorted(x[0] for x in parts)
    for part in parts:
        assert len({alike[x] for x in part}) == 1
        assert Ports(part).ranges() == [label(part)]
    assert not any(
        x[-1].protocol == y[0].protocol
        and x[-1].number + 1 == y[0].number
        and alike[x[-1]] == alike[y[0]]
        for x, y in itertools.pairwise(parts)
    )
