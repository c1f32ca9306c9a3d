"""Who is in a network namespace with whom: as it is said, and as it was seen."""

from __future__ import annotations

import pytest
from make import reading

from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import ObservationError
from pytest_exposed.observation.netns import NetnsOwners, SharedNetns, with_netns_mates


def listed(number: int, mode: str | None = "bridge") -> Listed:
    record = {"Id": f"{number:064x}", "Names": [f"/c{number}"]}
    return Listed.from_record(record | {"HostConfig": {"NetworkMode": mode}})


OWNER, HOST, UNKNOWN = listed(1), listed(2, "host"), listed(3, None)
BY_ID, BY_NAME = listed(4, f"container:{OWNER.id}"), listed(5, "container:c1")
STRAY = listed(6, "container:gone")
THIRD, ON_HOST = listed(8, f"container:{BY_ID.id}"), listed(9, f"container:{HOST.id}")
EVERYONE = [OWNER, HOST, UNKNOWN, BY_ID, BY_NAME, STRAY]


@pytest.mark.parametrize(
    ("one", "place"),
    [
        (OWNER, OWNER.id),
        (HOST, "host"),
        (UNKNOWN, None),
        (BY_ID, OWNER.id),
        (BY_NAME, OWNER.id),
        (STRAY, "gone"),
    ],
    ids=lambda x: getattr(x, "name", None),
)
def test_the_place_of_a_container(one: Listed, place: str | None) -> None:
    assert NetnsOwners(EVERYONE).of(one) == place


def test_a_container_called_like_the_id_of_another_is_not_taken_for_it() -> None:
    liar = listed(7)
    liar = Listed.from_record({"Id": liar.id, "Names": [f"/{OWNER.id}"]})
    assert NetnsOwners([OWNER, liar]).of(BY_ID) == NetnsOwners([liar, OWNER]).of(BY_ID) == OWNER.id


def test_the_company_are_those_who_may_share_a_namespace() -> None:
    # Whose place is unknown may be anywhere.
    assert with_netns_mates([BY_NAME], EVERYONE) == [OWNER, UNKNOWN, BY_ID, BY_NAME, STRAY]
    assert with_netns_mates([HOST], EVERYONE) == [HOST, UNKNOWN, STRAY]
    assert with_netns_mates([UNKNOWN], EVERYONE) == EVERYONE
    assert with_netns_mates([STRAY], EVERYONE) == EVERYONE
    assert with_netns_mates([OWNER], []) == [OWNER]


def test_who_joins_one_that_has_joined_another_is_in_the_network_of_that() -> None:
    everyone = [OWNER, HOST, BY_ID, THIRD, ON_HOST]
    places = NetnsOwners(everyone)
    assert [places.of(x) for x in (THIRD, ON_HOST)] == [OWNER.id, "host"]
    assert (
        with_netns_mates([OWNER], everyone)
        == with_netns_mates([THIRD], everyone)
        == [OWNER, BY_ID, THIRD]
    )
    assert with_netns_mates([ON_HOST], everyone) == [HOST, ON_HOST]


def test_containers_that_are_said_to_have_joined_each_other_end() -> None:
    one, other = listed(1, f"container:{2:064x}"), listed(2, f"container:{1:064x}")
    assert one in with_netns_mates([one], [one, other])


def test_those_in_one_namespace_are_neighbours() -> None:
    readings = {
        "a": reading(source="netlink", namespace=1),
        "b": reading(source="procfs", namespace=1),
        "c": reading(source="netlink", namespace=2),
        "d": ObservationError("it was not seen"),
    }
    neighbours = SharedNetns(readings, {x: x for x in readings})
    assert {x: list(neighbours.of(x)) for x in "abc"} == {"a": ["b"], "b": ["a"], "c": []}
    assert neighbours.of("a")["b"] is readings["b"]


def test_who_is_in_one_namespace_stays_a_neighbour_whatever_its_addresses() -> None:
    """They may have been read before and after a network was connected."""
    readings = {
        "a": reading(source="netlink", namespace=1, addresses=frozenset({"172.17.0.2"})),
        "b": reading(source="procfs", namespace=1, addresses=frozenset()),
    }
    assert list(SharedNetns(readings, {x: x for x in readings}).of("a")) == ["b"]


def test_one_without_an_address_is_no_neighbour_of_one_with_some() -> None:
    """`exec` believes the engine, and names both namespaces alike."""
    readings = {
        "owner": reading(source="exec", namespace="owner", addresses=frozenset({"172.17.0.2"})),
        "left-behind": reading(source="exec", namespace="owner", addresses=frozenset()),
        "unknown": reading(source="exec", namespace="owner", addresses=None),
    }
    neighbours = SharedNetns(readings, dict.fromkeys(readings, "owner"))
    assert list(neighbours.of("owner")) == ["unknown"]
    assert list(neighbours.of("left-behind")) == ["unknown"]


def test_what_is_said_tells_where_sources_name_namespaces_differently() -> None:
    readings = {
        "a": reading(source="netlink", namespace=1),
        "b": reading(source="helper", namespace=1),
        "c": reading(source="exec", namespace="place"),
        "d": reading(source="helper", namespace=2),
    }
    places = {"a": "place", "b": "elsewhere", "c": "place", "d": "elsewhere"}
    neighbours = SharedNetns(readings, places)
    assert {x: list(neighbours.of(x)) for x in readings} == {
        "a": ["c"],
        "b": [],  # by the helper's own word, which is better, d is elsewhere
        "c": ["a"],
        "d": [],
    }
