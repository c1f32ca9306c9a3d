"""What podman's own list adds to its docker-compatible one."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from make import ID, OTHER_ID
from test_records import LISTED, spoilt

from pytest_exposed.engine.podman import joined, with_paused
from pytest_exposed.engine.records import Listed

POD = {"Pod": "5a" * 32, "PodName": "shop"}
INFRA = {
    **LISTED,
    "Id": OTHER_ID,
    "Names": ["/5a5a5a5a5a5a-infra"],
    "Image": "",
    "ImageID": "sha256:",
}
OWN: list[dict[str, Any]] = [
    {"Id": ID, **POD, "IsInfra": False, "Status": "starting"},
    {"Id": OTHER_ID, **POD, "IsInfra": True, "Status": ""},
]


def listed(own: list[dict[str, Any]] | None, **fields: Any) -> tuple[Listed, Listed]:
    records = joined([{**LISTED, "Status": "Up 2 hours", **fields}, INFRA], own)
    one, other = map(Listed.from_record, records)
    return one, other


def test_a_pod_is_called_by_its_name() -> None:
    one, infra = listed(OWN)
    assert (one.name, one.pod, one.is_infra, one.has_image) == ("web", "shop", False, True)
    assert (infra.name, infra.own_name) == ("shop", "5a5a5a5a5a5a-infra")
    assert (infra.pod, infra.is_infra, infra.has_image) == ("shop", True, False)


def test_a_container_is_in_the_network_of_its_pod_where_it_joined_that() -> None:
    for mode, pod in ((f"container:{OTHER_ID}", "shop"), ("bridge", None), ("host", None)):
        one, infra = listed(OWN, HostConfig={"NetworkMode": mode})
        assert (one.pod_network, infra.pod_network) == (pod, "shop")


def test_an_infra_container_is_judged_for_what_its_pod_publishes() -> None:
    _, infra = listed(OWN)
    assert infra.published
    assert infra.is_users
    quiet, *_ = map(Listed.from_record, joined([{**INFRA, "Ports": []}], OWN))
    assert not quiet.is_users


def test_a_health_check_is_starting() -> None:
    one, infra = listed(OWN)
    assert one.starting
    assert one.up_for > 3600
    assert not infra.starting


def test_a_status_without_podmans_own_list_says_nothing() -> None:
    one, infra = listed(None)
    assert not one.starting
    assert one.up_for == 0  # so that it is asked for
    assert (infra.name, infra.pod) == ("5a5a5a5a5a5a-infra", None)


def test_filters_of_users_come_first() -> None:
    assert with_paused({"name": ["web"]}) == {"status": ["running", "paused"], "name": ["web"]}
    assert with_paused({"status": ["exited"]}) == {"status": ["exited"]}


@given(spoilt(OWN[0]), spoilt(OWN[1]))
def test_any_list_is_joined(one: dict[str, Any], other: dict[str, Any]) -> None:
    for record in joined([LISTED, INFRA], [one, other]):
        Listed.from_record(record)
