"""Ports that nobody chose: which listeners are dynamic, and the one finding of each process."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from make import ANY, container, listener, publication, reading, socket

from pytest_exposed.errors import ObservationError
from pytest_exposed.model import Container, Finding, Kind, Listener, Process
from pytest_exposed.model.ports import Port, Ports
from pytest_exposed.report import html, markdown, sarif, suite
from pytest_exposed.report.finding_groups import finding_groups, findings_of, neighbours
from pytest_exposed.report.record import of_container
from pytest_exposed.report.text import findings_lines, table
from pytest_exposed.rules.acceptance import Acceptance
from pytest_exposed.rules.baseline import Entry
from pytest_exposed.rules.judge import brief, findings
from pytest_exposed.rules.selection import select
from pytest_exposed.rules.waivers import Waiver
from pytest_exposed.sockets.listeners import listeners
from pytest_exposed.sockets.reading import LOCAL_PORTS

TODAY = date(2026, 1, 1)
JAVA, NODE = Process(1, "java"), Process(7, "node")


def dynamic(port: int, *owners: Process, kind: Kind = "reachable", **rest: Any) -> Listener:
    address = "127.0.0.1" if kind == "loopback" else ANY
    return listener(port, address, kind, *owners, dynamic=True, **rest)


def found(one: Container, *rules: str) -> list[str]:
    return [str(x) for x in findings(one, select(rules))]


# Which listeners are dynamic


@pytest.mark.parametrize(
    ("port", "protocol", "named", "local_ports", "expected"),
    [
        (40000, "tcp", [], LOCAL_PORTS, True),
        (32768, "tcp", [], LOCAL_PORTS, True),
        (60999, "tcp", [], LOCAL_PORTS, True),
        (32767, "tcp", [], LOCAL_PORTS, False),
        (61000, "tcp", [], LOCAL_PORTS, False),
        (40000, "tcp", [], range(1024, 5000), False),
        (2000, "tcp", [], range(1024, 5000), True),
        (40000, "tcp", [40000], LOCAL_PORTS, False),
        (40000, "tcp", ["40000/udp"], LOCAL_PORTS, True),
        (40000, "udp", [], LOCAL_PORTS, False),
        (40000, "sctp", [], LOCAL_PORTS, False),
    ],
)
def test_which_listeners_are_dynamic(
    port: int, protocol: str, named: Any, local_ports: Collection[int], expected: bool
) -> None:
    one = reading(socket(port, protocol=protocol))
    (seen,) = listeners(one, (), Ports.parse(named), local_ports)
    assert seen.dynamic is expected


def test_one_on_loopback_is_dynamic_and_no_finding() -> None:
    (seen,) = listeners(reading(socket(40000, "127.0.0.1")), (), (), LOCAL_PORTS)
    assert (seen.kind, seen.dynamic) == ("loopback", True)
    assert found(container(seen), "all") == []


# The findings


@pytest.mark.parametrize(
    ("listening", "expected"),
    [
        ([dynamic(40000, JAVA)], ["dynamic 40000/tcp"]),
        (
            [dynamic(40000, JAVA), dynamic(40002, JAVA), listener(80, ANY, "reachable", JAVA)],
            ["undocumented 80/tcp", "dynamic 40000/tcp, 40002/tcp"],
        ),
        (
            [dynamic(40000, JAVA), dynamic(40001, NODE), dynamic(40002, JAVA)],
            ["dynamic 40000/tcp, 40002/tcp", "dynamic 40001/tcp"],
        ),
        # A listener that several hold is theirs together.
        ([dynamic(40000, JAVA, NODE), dynamic(40001, JAVA, NODE)], ["dynamic 40000-40001/tcp"]),
        # Nobody knows whose they are.
        ([dynamic(40000), dynamic(40001)], ["dynamic 40000-40001/tcp"]),
        # One port, by each family.
        ([dynamic(40000, JAVA), replace(dynamic(40000, JAVA), address="::", v6only=True)],
         ["dynamic 40000/tcp"]),
        ([dynamic(40000, JAVA, kind="loopback"), dynamic(40001, JAVA, kind="unreachable")], []),
    ],
)  # fmt: skip
def test_a_finding_for_each_process(listening: list[Listener], expected: list[str]) -> None:
    for rules in ("default", "cis", "all"):
        assert found(container(*listening), rules) == expected


@pytest.mark.parametrize("rules", [["undocumented"], ["all"]])
def test_it_is_never_undocumented_as_well(rules: list[str]) -> None:
    chosen = select(rules, ["dynamic"])
    assert findings(container(dynamic(40000, JAVA)), chosen) == ()


def test_what_is_said() -> None:
    ports = [dynamic(x, JAVA) for x in (40000, 40001, 40005)]
    (finding,) = findings(container(*ports), select())
    assert finding.message == (
        "java (pid 1) listens on 3 ports of the range from which the kernel chooses: "
        "0.0.0.0:40000, 0.0.0.0:40001, 0.0.0.0:40005"
    )
    assert finding.fix.startswith("pin them, if that isn't done, in the configuration of web")
    assert finding.fix.endswith("or accept `dynamic` (`web: dynamic  # reason`)")
    (finding,) = findings(container(*(dynamic(x) for x in range(40000, 40009))), select())
    assert finding.message.startswith(
        "something listens on 9 ports of the range from which the kernel chooses: "
    )
    assert finding.message.endswith("0.0.0.0:40004 and 4 more")
    assert "EXPOSE" not in finding.fix


def test_one_that_nothing_attributes_is_neither_a_finding_nor_a_match() -> None:
    shared = dynamic(40000, kind="unattributed", presumed="reachable")
    with pytest.raises(ObservationError, match=r"which container 0\.0\.0\.0:40000/tcp belongs to"):
        findings(container(shared), select())
    closed = dynamic(40000, kind="unattributed", presumed="loopback")
    assert found(container(closed)) == []


# Accepting them


@pytest.mark.parametrize(
    ("line", "accepted"),
    [
        ("web: dynamic", True),
        ("web: undocumented", False),
        ("web: 40000", False),
        ("web: 40000, 40002", True),
        ("web: 32768-60999", True),
    ],
)
def test_a_waiver_is_for_all_of_its_ports(line: str, accepted: bool) -> None:
    one = container(dynamic(40000, JAVA), dynamic(40002, JAVA))
    (finding,) = findings(one, select())
    (applied,) = Acceptance((Waiver.parse(f"{line}  # why"),)).applied(one, (finding,), TODAY)
    assert applied.waived == ("why" if accepted else None)


def test_a_baseline_has_no_number() -> None:
    before, after = (
        container(dynamic(40000, JAVA)),
        container(dynamic(51515, JAVA), dynamic(5, NODE)),
    )
    (finding,) = findings(before, select())
    entry = Entry.of("web", finding.rule, finding.port)
    assert str(entry) == "web: dynamic"
    accepted = Acceptance(baseline=frozenset({Entry.parse(str(entry))}))
    later = accepted.applied(after, findings(after, select()), TODAY)
    assert [x.waived for x in later] == ["baseline", "baseline"]


# Reports


@pytest.fixture
def seen() -> Container:
    one = container(
        listener(80, ANY, "reachable", JAVA),
        dynamic(40000, JAVA),
        dynamic(40002, JAVA),
        dynamic(40004, NODE),
        documented=[80],
    )
    return replace(one, verdict=findings(one, select()))


def hosts(*containers: Container) -> list[dict[str, Any]]:
    return [{"host": "local", "error": None, "containers": [of_container(x) for x in containers]}]


def test_a_record_holds_all_of_it(seen: Container) -> None:
    record = of_container(seen)
    assert findings_of(record) == list(seen.findings)
    assert [x["port"] for x in record["findings"]] == ["40000/tcp", "40004/tcp"]
    assert [x.get("ports") for x in record["findings"]] == [["40000/tcp", "40002/tcp"], None]
    assert [x.get("dynamic") for x in record["listeners"]] == [None, True, True, True]
    assert brief(seen.findings) == "dynamic 40000/tcp, 40002/tcp, 40004/tcp"


def test_each_is_a_line_of_its_own(seen: Container) -> None:
    one, other = neighbours(seen.findings)
    assert (one.span, other.span) == ("2 ports", "40004/tcp")
    assert finding_groups(seen.findings) == [one, other]
    lines = findings_lines(seen.findings)
    assert lines[0].startswith(
        "  dynamic  2 ports    java (pid 1) listens on 2 ports of the range "
    )
    assert any(x.endswith("0.0.0.0:40002 (dynamic)  java (pid 1)") for x in table(seen))


def test_neighbouring_ports_of_a_process_are_named_once() -> None:
    one = container(*(dynamic(x, JAVA) for x in range(40000, 40004)))
    (cause,) = neighbours(findings(one, select()))
    assert cause.span == "4 ports"
    assert cause.message.count("40000") == 1


def key_of(path: Path, *containers: Container) -> list[str]:
    sarif.write(path, hosts(*containers))
    results = json.loads(path.read_text())["runs"][0]["results"]
    assert {x["ruleId"] for x in results} == {"dynamic"}
    return [x["partialFingerprints"]["finding/v1"] for x in results]


def test_code_scanning_knows_it_again_after_the_next_start(tmp_path: Path) -> None:
    def started(*ports: int) -> Container:
        owners = (JAVA, NODE, Process(9, "node"))
        one = container(*(dynamic(x, y) for x, y in zip(ports, owners, strict=True)))
        return replace(one, verdict=findings(one, select()))

    keys = key_of(tmp_path / "a.sarif", started(40000, 40001, 40002))
    assert len(set(keys)) == 3
    assert key_of(tmp_path / "b.sarif", started(33333, 44444, 55555)) == keys


def test_the_map_has_one_tile_for_them(tmp_path: Path, seen: Container) -> None:
    html.write(tmp_path / "map.html", hosts(seen))
    page = (tmp_path / "map.html").read_text()
    assert re.search(r"<b>\d+ dynamic ports?</b> not documented <em>✗ dynamic</em>", page)
    assert "40000<small>" not in page
    assert "0.0.0.0:40000 (dynamic)" in page


def test_the_summary_of_a_job_has_a_row_for_each_process(tmp_path: Path, seen: Container) -> None:
    markdown.write(tmp_path / "ports.md", hosts(seen))
    rows = (tmp_path / "ports.md").read_text().splitlines()
    assert sum("| dynamic | 2 ports |" in x for x in rows) == 1
    assert sum("| dynamic | 40004/tcp |" in x for x in rows) == 1


def test_a_first_suite_does_not_pin_them(tmp_path: Path, seen: Container) -> None:
    suite.write(tmp_path / "test_it.py", hosts(seen), TODAY)
    text = (tmp_path / "test_it.py").read_text()
    assert '    assert container_listens_on("web", "80/tcp")\n' in text
    assert "4000" not in text
    alone = replace(seen, listeners=(dynamic(40000),))
    suite.write(tmp_path / "test_alone.py", hosts(alone), TODAY)
    text = (tmp_path / "test_alone.py").read_text()
    assert "def test_web(image_exposes):" in text
    assert "container_listens_on" not in text
    closed = replace(seen, listeners=(dynamic(40000, kind="loopback"),))
    suite.write(tmp_path / "test_closed.py", hosts(closed), TODAY)
    text = (tmp_path / "test_closed.py").read_text()
    assert 'assert not exposed.container("web").listening' in text


def test_a_published_one_is_named() -> None:
    one = container(dynamic(40000), published=[publication(40000)])
    assert found(one) == ["published-undocumented 40000/tcp"]
    assert Finding("dynamic", Port(1), "", "").ports == (Port(1),)
