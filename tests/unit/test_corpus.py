"""The corpus of real services: its table, and how an audit of one is scored."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tomllib")  # Python 3.11; the corpus itself needs no older one

from corpus.score import overlooked, verdicts
from corpus.table import CLASSES, Service, read

from pytest_exposed.model.ports import Port, Ports
from pytest_exposed.rules import RULES

TABLE = Path(__file__).parents[1] / "corpus" / "services.toml"
SERVICES, _ = read(TABLE)


def service(**expected: str) -> Service:
    keys = {
        (rule, port): kind
        for text, kind in ((x.replace("_", " "), y) for x, y in expected.items())
        for rule, _, port in [text.partition(" ")]
    }
    return Service("web", "80", "true", (), None, keys)


def audit(*findings: dict[str, Any]) -> dict[str, Any]:
    return {"findings": [{"waived": None, **x} for x in findings]}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_of_the_table(name: str) -> None:
    one = SERVICES[name]
    exposed = Ports.from_exposed(y for x in one.exposes.split() for y in map(str, Ports.parse(x)))[
        0
    ]
    for (rule, port), kind in one.expected.items():
        assert kind in CLASSES
        assert rule in RULES
        if port:
            # What the image documents says which rules can be about it.
            documented = Port.parse(port) in exposed
            assert documented == (rule in ("silent", "unreachable")), (rule, port)
    lines = one.dockerfile.splitlines()
    assert json.loads(lines[-1].removeprefix("CMD "))[2] == one.start.strip()
    assert all(re.match("EXPOSE |HEALTHCHECK |CMD ", x) for x in lines)


def test_what_was_found() -> None:
    one = service(**{"silent 443/tcp": "fact", "undocumented 81/tcp": "act", "dynamic": "fact"})
    found = verdicts(
        one,
        audit(
            {"rule": "silent", "port": "443/tcp", "warning": True},
            {"rule": "undocumented", "port": "81/tcp"},
            {"rule": "dynamic", "port": "40001/tcp", "ports": ["40001/tcp", "40002/tcp"]},
            {"rule": "dynamic", "port": "40003/tcp"},
            {"rule": "undocumented", "port": "40004/tcp"},  # as 0.1.0 called it
            {"rule": "undocumented", "port": "82/tcp"},
            {"rule": "undocumented", "port": "83/tcp", "waived": "accepted"},
        ),
    )
    assert [(kind, column) for _, kind, column in found] == [
        ("fact", "warn"),
        ("act", "fail"),
        *[("fact", "fail")] * 3,
        ("unexpected", "fail"),
    ]


def test_what_is_lost() -> None:
    one = service(
        **{"silent 443/tcp": "fact", "silent 81/tcp": "act", "silent 82/tcp": "quiet"},
        **{"silent 83/tcp": "nonsense"},
    )
    assert list(verdicts(one, audit())) == [
        (("silent", "443/tcp"), "fact", "lost"),
        (("silent", "81/tcp"), "act", "lost"),
    ]


def test_what_is_overlooked() -> None:
    listeners = [
        ["80/tcp", "10.0.0.5", "web"],
        ["81/tcp", "*", "web"],
        ["82/tcp", "*", "web"],
        ["83/tcp", "127.0.0.1", "web"],
        ["84/tcp", "::", "web"],
        ["40000/udp", "10.0.0.5", "web"],
        ["40000/tcp", "10.0.0.5", "web"],
        ["40001/tcp", "127.0.0.11", "dockerd"],
    ]
    minute = audit({"rule": "undocumented", "port": "81/tcp"})
    record = {"exposes": ["80/tcp"], "samples": {"1.0": [], "2.0": listeners}, "minute": minute}
    assert overlooked(record) == ["40000/tcp", "82/tcp"]
    minute["findings"][0]["ports"] = ["81/tcp", "40000/tcp"]
    assert overlooked(record) == ["82/tcp"]
