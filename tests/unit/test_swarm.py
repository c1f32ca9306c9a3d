"""What managers tell of services and nodes, joined and read: whatever an engine answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make import ID

from pytest_exposed.engine.hosts import Member, from_plain, plain, resolve
from pytest_exposed.engine.nodes import _member, _node
from pytest_exposed.engine.records import Listed
from pytest_exposed.engine.swarm import joined, service_of

TASK = {"com.docker.swarm.service.name": "web", "com.docker.swarm.service.id": "s1"}
OWN = {"PrivatePort": 80, "Type": "tcp"}

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda x: (
        st.lists(x, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["ID", "Endpoint", "Ports", "TargetPort", "PublishedPort", "PublishMode", "Labels"]
            )
            | st.sampled_from(["Status", "ManagerStatus", "Spec", "Description", "Addr", "State"]),
            x,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def container(labels: Any = None, ports: Any = ()) -> dict[str, Any]:
    return {"Id": ID, "Names": ["/web.1"], "Labels": labels, "Ports": [OWN, *ports]}


def service(*ports: Any, identity: str = "s1") -> dict[str, Any]:
    return {"ID": identity, "Endpoint": {"Ports": list(ports)}}


def ingress(target: Any, published: Any, **rest: Any) -> dict[str, Any]:
    entry = {"Protocol": "tcp", "TargetPort": target, "PublishedPort": published}
    return {**entry, "PublishMode": "ingress", **rest}


@pytest.mark.parametrize(
    ("labels", "services", "published"),
    [
        (TASK, [service(ingress(81, 8080))], ["0.0.0.0:8080->81/tcp"]),
        (TASK, [service(ingress(53, 53, Protocol="udp"))], ["0.0.0.0:53->53/udp"]),
        # The mode of engines before there were two.
        (TASK, [service(ingress(81, 8080, PublishMode=""))], ["0.0.0.0:8080->81/tcp"]),
        # In host mode the container says it, where it is so.
        (TASK, [service(ingress(81, 8080, PublishMode="host"))], []),
        # A port that is not assigned yet.
        (TASK, [service(ingress(81, 0)), service(ingress(81, 1), identity="s2")], []),
        (TASK, [], []),
        (None, [service(ingress(81, 8080))], []),
        ({"com.docker.swarm.service.name": "web"}, [service(ingress(81, 8080))], []),
        (TASK, [service(ingress("81", 8080), ingress(70000, 1), 7, ingress(81, 0))], []),
        (TASK, [{"ID": "s1", "Endpoint": 7}, {"ID": "s1", "Endpoint": {"Ports": 7}}], []),
    ],
)
def test_what_services_publish(labels: Any, services: list[Any], published: list[str]) -> None:
    (record,) = joined([container(labels)], services)
    listed = Listed.from_record(record)
    assert [str(x) for x in listed.published] == published
    assert all(x.ingress for x in listed.published)
    assert [str(x) for x in listed.declared] == ["80/tcp"]
    assert listed.publications_unknown is None


def test_what_nobody_tells_is_unknown_for_tasks_alone() -> None:
    task, other = map(Listed.from_record, joined([container(TASK), container()], "no \x1bleader"))
    assert task.publications_unknown == (
        "what its service web publishes by ingress is unknown, and only a manager of the swarm "
        "knows it: no \\x1bleader"
    )
    assert other.publications_unknown is None


def test_records_are_json_before_and_after() -> None:
    records = joined([container(TASK)], [service(ingress(81, 8080))])
    again = json.loads(json.dumps(records))
    assert Listed.from_record(again[0]) == Listed.from_record(records[0])


@given(st.lists(st.dictionaries(st.just("Labels"), ANYTHING), max_size=3), st.lists(ANYTHING))
def test_no_answer_is_a_crash(containers: list[Any], services: list[Any]) -> None:
    records = [container() | x for x in containers]
    found = joined(records, [x for x in services if isinstance(x, dict)])
    assert len(found) == len(records)
    assert all(Listed.from_record(x).publications_unknown is None for x in found)
    assert [service_of(x) for x in found] == [service_of(x) for x in records]


@given(st.dictionaries(st.sampled_from(["ID", "Status", "ManagerStatus", "Spec"]), ANYTHING))
def test_no_node_is_a_crash(record: dict[str, Any]) -> None:
    node = _node(record)
    member = _member(node.name, node.address, "tcp://10.0.0.1:2375", resolve("tcp://10.0.0.1:2375"))
    assert from_plain(json.loads(json.dumps(plain(member)))) == member


@pytest.mark.parametrize(
    ("record", "address", "absent"),
    [
        ({"Status": {"State": "ready", "Addr": "10.0.0.2"}}, "10.0.0.2", ""),
        (
            {
                "Status": {"State": "ready", "Addr": "0.0.0.0"},  # noqa: S104
                "ManagerStatus": {"Addr": "10.0.0.2:2377"},
            },
            "10.0.0.2",
            "",
        ),
        (
            {"Status": {"State": "ready"}, "ManagerStatus": {"Addr": "[fd00::2]:2377"}},
            "fd00::2",
            "",
        ),
        ({"Status": {"State": "down", "Addr": "10.0.0.2"}}, "10.0.0.2", "down"),
        (
            {"Status": {"State": "ready", "Addr": "a"}, "Spec": {"Availability": "drain"}},
            "a",
            "drained",
        ),
        (
            {"Status": {"State": "ready", "Addr": "a"}, "Spec": {"Availability": "pause"}},
            "a",
            "",
        ),
        ({}, "", "unknown"),
    ],
)
def test_nodes(record: dict[str, Any], address: str, absent: str) -> None:
    node = _node(record)
    assert (node.address, node.absent) == (address, absent)


@pytest.mark.parametrize(
    ("manager", "address", "found"),
    [
        ("tcp://10.0.0.1:2375", "10.0.0.2", "tcp://10.0.0.2:2375"),
        ("https://10.0.0.1:2376", "fd00::2", "https://[fd00::2]:2376"),
        ("ssh://ops@prod-1", "10.0.0.2", "ssh://ops@10.0.0.2"),
        ("ssh://ops@prod-1:2222", "10.0.0.2", "ssh://ops@10.0.0.2:2222"),
    ],
)
def test_another_node_is_reached_as_the_manager(manager: str, address: str, found: str) -> None:
    member = _member("n2", address, manager, resolve(manager))
    assert member == Member("n2", found, manager=manager)
    assert resolve(member).manager == resolve(manager)


@pytest.mark.parametrize(
    ("manager", "address"),
    [
        ("unix:///run/docker.sock", "10.0.0.2"),
        ("tcp://10.0.0.1:2375", ""),
        ("tcp://10.0.0.1:2375", "no address"),
        ("tcp://10.0.0.1:2375", "::/no"),
    ],
)
def test_one_without_a_way_is_told(manager: str, address: str) -> None:
    member = _member("n2", address, manager, resolve(manager))
    assert member.trouble is not None
    assert member.trouble.startswith(f"n2, a node at {address}, can't be reached through {manager}")
    assert resolve(member).trouble == member.trouble


def test_a_password_is_not_shown() -> None:
    manager = "tcp://me:s3cr3t@10.0.0.1:2375"
    member = _member("n2", "10.0.0.2", manager, resolve(manager))
    assert "s3cr3t" not in repr(member) + repr(resolve(member)) + resolve(member).shown
