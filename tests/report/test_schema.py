"""The schema of the JSON report: strict, and one with the records that are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
import typing_extensions
from jsonschema import Draft202012Validator
from report.fleet import fleet
from report.test_html import finding, host, record, unseen
from schema import SCHEMA, problems, problems_below

from pytest_exposed import report
from pytest_exposed.model import Kind
from pytest_exposed.report import record as records
from pytest_exposed.rules import RULES
from pytest_exposed.sockets.chain import ORDER

if TYPE_CHECKING:
    from report.document import Record

DEFINED = SCHEMA["$defs"]
TYPES = {
    "host": records.HostRecord,
    "container": records.ContainerRecord,
    "stopped": records.StoppedRecord,
    "publication": records.PublicationRecord,
    "listener": records.ListenerRecord,
    "finding": records.FindingRecord,
}


def document(*containers: Record) -> Record:
    return {"version": 1, "hosts": [host(*containers)]}


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", TYPES)
def test_it_has_the_fields_of_each_record(name: str) -> None:
    fields = typing_extensions.get_type_hints(
        TYPES[name], localns={"NotRequired": typing_extensions.NotRequired}, include_extras=True
    )
    optional = {
        x
        for x, y in fields.items()
        if typing_extensions.get_origin(y) is typing_extensions.NotRequired
    }
    assert set(DEFINED[name]["properties"]) == set(fields)
    assert set(DEFINED[name]["required"]) == set(fields) - optional


def test_it_names_what_there_is() -> None:
    assert DEFINED["finding"]["properties"]["rule"]["enum"] == list(RULES)
    assert DEFINED["listener"]["properties"]["kind"]["enum"] == list(get_args(Kind))
    assert DEFINED["container"]["properties"]["source"]["enum"] == [*ORDER, None]


def test_it_describes_each_record() -> None:
    assert [x for x in DEFINED if "description" not in DEFINED[x]] == []


def test_a_fleet_meets_it(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    report.write(path, [host(*fleet(200), unseen()), host(name="b", error="gone")])
    assert problems(json.loads(path.read_bytes())) == []


def test_an_audit_of_nothing_meets_it() -> None:
    assert problems({"version": 1, "hosts": []}) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": 2, "hosts": []},
        {"version": 1},
        {"version": 1, "hosts": [], "more": 1},
        document(record(more=1)),
        document(record(id="web")),
        document(record(documented=["80"])),
        document(record(documented=["65536/tcp"])),
        document(record(documented=["0/tcp"])),
        document(record(documented=["80/tcp", "80/tcp"])),
        document(record(source="guess")),
        document(record("web", finding("unheard-of"))),
        document(record("web", finding(port="80"))),
        document(record("web", finding(warning=False))),
        document(record("web", finding(file="Dockerfile"))),
        document(record("web", finding(ports=["80/tcp"]))),
        document(record(published=[{"port": "80/tcp", "host_ip": "", "host_port": 0}])),
        # Unknown is never empty, and what is known has no error.
        document(record(findings=None)),
        {"version": 1, "hosts": [host() | {"not_running": [{"name": "web"}]}]},
        document(record(listeners=None)),
        document(record(source=None)),
        document(record(error="no source can see its sockets")),
        document(unseen() | {"error": None}),
        document(unseen() | {"findings": []}),
    ],
)
def test_it_is_strict(wrong: Any) -> None:
    assert problems(wrong)


@pytest.mark.parametrize("port", ["1/tcp", "80/udp", "9999/sctp", "10000/tcp", "65535/tcp"])
def test_ports_are_those_that_there_are(port: str) -> None:
    assert problems(document(record(documented=[port]))) == []


def test_a_report_that_does_not_meet_it_fails_the_test_that_wrote_it(tmp_path: Path) -> None:
    report.write(tmp_path / "sub.json", [host(record(id="web"))])
    (tmp_path / "other.json").write_text("[1", encoding="utf-8")
    found = problems_below(tmp_path)
    (tmp_path / "sub.json").unlink()  # else this one would
    assert [x.partition(" ")[0] for x in found] == ["sub.json:"]
