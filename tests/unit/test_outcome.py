"""What an audit came to: gathered from tests in any order and from any process, and counted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_exposed.audit.results import HostResults, Results
from pytest_exposed.report.record import NOT_RUN


def record(name: str, *rules: str, waived: tuple[str, ...] = (), **rest: Any) -> dict[str, Any]:
    findings = [{"rule": x, "port": "80/tcp", "waived": None} for x in rules]
    findings += [{"rule": x, "port": "81/tcp", "waived": ""} for x in waived]
    return {"name": name, "id": name * 2, "findings": findings, "error": None, **rest}


def unseen(name: str) -> dict[str, Any]:
    return record(name) | {"findings": None, "error": "no source can see its sockets"}


def not_run(name: str) -> dict[str, Any]:
    return unseen(name) | {"error": NOT_RUN}


def outcome(*items: dict[str, Any], hosts: str = "a") -> Results:
    """Return the results of items, on the first host unless they name another."""
    found = Results({x: HostResults(x) for x in hosts})
    for number, one in enumerate(items):
        found.add({"host": hosts[0], "id": str(number), **one})
    return found


def summary(*records: dict[str, Any], hosts: str = "a") -> str:
    return outcome(*({"record": x} for x in records), hosts=hosts).summary()


@pytest.mark.parametrize(
    ("records", "text"),
    [
        ([], "0 containers on 1 host, 0 match"),
        ([record("a")], "1 container on 1 host, 1 match"),
        ([record("a"), record("b")], "2 containers on 1 host, 2 match"),
        (
            [record("a"), record("b", "silent"), record("c", "undocumented", "silent")],
            "3 containers on 1 host, 1 match, 2 do not (silent 2, undocumented 1)",
        ),
        (
            [record("a", "ssh"), record("b", "silent"), record("c", "undocumented", "ssh")],
            "3 containers on 1 host, 0 match, 3 do not (ssh 2, silent 1, undocumented 1)",
        ),
        (
            [record("a", "silent", "silent", "silent")],
            "1 container on 1 host, 0 match, 1 do not (silent 3)",
        ),
        # A container whose findings are all accepted neither matches nor differs.
        ([record("a", waived=("silent",))], "1 container on 1 host, 0 match, 1 accepted"),
        (
            [record("a", "ssh", waived=("silent", "silent")), record("b", waived=("ssh",))],
            "2 containers on 1 host, 0 match, 1 do not (ssh 1), 1 accepted",
        ),
        # What could not be judged neither matches nor differs.
        ([unseen("a")], "1 container on 1 host, 0 match, 1 could not be judged"),
        (
            [unseen("a"), record("b"), record("c", "silent")],
            "3 containers on 1 host, 1 match, 1 do not (silent 1), 1 could not be judged",
        ),
        # Nor does one whose test never ran, of which nobody can say that it could not be.
        (
            [record("b"), not_run("c"), not_run("d")],
            "3 containers on 1 host, 1 match, 2 not judged, as their tests did not finish",
        ),
    ],
)
def test_the_line_that_ends_an_audit(records: list[dict[str, Any]], text: str) -> None:
    assert summary(*records) == text


def test_containers_of_all_hosts_are_counted() -> None:
    found = outcome({"record": record("x")}, {"host": "b", "record": record("y")}, hosts="abc")
    assert found.summary() == "2 containers on 3 hosts, 2 match"
    assert [x["name"] for x in found.containers()] == ["x", "y"]


def test_hosts_that_are_not_reached_are_counted() -> None:
    found = outcome({"record": record("x")}, hosts="abc")
    found.hosts["b"].error = "nothing answers there"
    assert found.summary() == "1 container on 3 hosts, 1 match, 1 host not reached"
    found.hosts["c"].error = "nothing answers there"
    assert found.summary().endswith(", 2 hosts not reached")


def test_young_ones_are_named_unless_they_are_gone() -> None:
    found = outcome({"record": record("x"), "young": True}, {"gone": True, "young": True})
    assert "x had just started when judged: a port" in str(found.young())
    assert outcome({"gone": True, "young": True}).young() is None


def test_containers_that_are_gone_are_counted_apart() -> None:
    found = outcome({"record": record("x")}, {"gone": True}, {"gone": True})
    assert found.summary() == "1 container on 1 host, 1 match, 2 gone since the run began"
    assert found.count == 3


def test_of_a_test_that_ran_again_the_last_counts() -> None:
    first = {"id": "x", "record": record("x", "silent"), "table": "first"}
    found = outcome(first, {"id": "x", "record": record("x"), "table": "second"})
    assert found.summary() == "1 container on 1 host, 1 match"
    assert found.hosts["a"].tables() == ["second"]
    assert outcome(first, {"id": "x", "gone": True}).summary() == (
        "0 containers on 1 host, 0 match, 1 gone since the run began"
    )


def test_tables_are_kept_in_the_order_told() -> None:
    found = outcome(
        {"record": record("b"), "table": "one"}, {"record": record("a"), "table": "two"}
    )
    assert found.hosts["a"].tables() == ["one", "two"]


def test_a_report_s_containers_are_sorted_whatever_their_order() -> None:
    same = [record("b"), record("a"), record("a", id="1")]
    found = [outcome(*({"record": x} for x in y)).hosts["a"] for y in (same, same[::-1])]
    assert found[0].as_record() == found[1].as_record()
    assert [x["id"] for x in found[0].as_record()["containers"]] == ["1", "aa", "bb"]
    assert found[0].as_record()["host"] == "a"
    assert found[0].as_record()["error"] is None


def test_an_unknown_host_is_no_host_of_the_run() -> None:
    with pytest.raises(KeyError):
        outcome({"host": "nosuch"})


RULES = st.sampled_from(["silent", "ssh", "undocumented"])
RECORDS = st.lists(
    st.one_of(
        st.builds(lambda x, y: record("c", *x, waived=tuple(y)), st.lists(RULES), st.lists(RULES)),
        st.just(unseen("c")),
    ),
    max_size=8,
)


@given(RECORDS, st.randoms(use_true_random=False))
def test_every_container_is_counted_once(records: list[dict[str, Any]], random: Any) -> None:
    # Records go between processes as JSON.
    text = summary(*json.loads(json.dumps(records)))
    numbers = {
        word: int(part.split()[0])
        for part in text.replace(" (", ", (").split(", ")
        for word in ("match", "do not", "could not be judged", "accepted")
        if part.endswith(word)
    }
    assert len(records) == (
        numbers["match"]
        + numbers.get("accepted", 0)
        + numbers.get("do not", 0)
        + numbers.get("could not be judged", 0)
    )
    shuffled = list(records)
    random.shuffle(shuffled)
    assert summary(*shuffled) == text
