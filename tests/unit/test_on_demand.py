"""Ports on demand: which documented ranges are no `silent`, and how they are called."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from make import ANY, container, listener, publication

from pytest_exposed.model import Container
from pytest_exposed.model.ports import Ports
from pytest_exposed.report import html, sarif
from pytest_exposed.report.finding_groups import neighbours
from pytest_exposed.report.record import of_container
from pytest_exposed.report.text import table
from pytest_exposed.rules.judge import findings
from pytest_exposed.rules.on_demand import on_demand
from pytest_exposed.rules.selection import expand, select


def listening(*ports: int | str, documented: Any = (), **rest: Any) -> Container:
    return container(*(listener(x) for x in ports), documented=documented, **rest)


def broken(one: Container, *rules: str) -> dict[str, str]:
    found = findings(one, select(rules))
    return {x: str(Ports(y.port for y in found if y.rule == x)) for x in {y.rule for y in found}}


@pytest.mark.parametrize(
    ("documented", "heard", "expected"),
    [
        ([21, "21100-21110"], [21], ["21100-21110"]),
        ([21, "21100-21103"], [21], ["21100-21103"]),
        ([21, "21100-21102"], [21], []),
        # Erlang's port mapper adjoins the ports that it leads to.
        (["4369-4399", 5222], [4369, 5222], ["4370-4399"]),
        (["4369-4399"], [4369], ["4370-4399"]),
        (["7000-7010"], [7010], ["7000-7009"]),
        # A few servers of which one started.
        (["7000-7009"], [7009], []),
        (["7000-7004"], [7000], []),
        # Part of the range is served.
        (["7000-7010", 80], [7005, 80], []),
        (["7000-7010", 80], [7000, 7001, 80], []),
        (["7000-7010", 80], [7000, 7010, 80], []),
        # Nothing else listens, or nothing that is documented.
        ([21, "21100-21110"], [], []),
        ([21, "21100-21110"], [8080], []),
        (["21100-21110"], [], []),
        # Each protocol has its own ranges, and they may adjoin others' numbers.
        ([5060, "10000-10009/udp"], [5060], ["10000-10009/udp"]),
        ([21, "21100-21103", "21104-21107/udp"], [21], ["21100-21103", "21104-21107/udp"]),
        ([21, "21100-21102", "21103-21105/udp"], [21], []),
        ([21, "1000-1003", "2000-2003"], [21], ["1000-1003", "2000-2003"]),
        ([21, "1000-1003", "2000-2003"], [21, 1002], ["2000-2003"]),
        # Both ends of what there is.
        (["1-4", "65532-65535", 80], [80], ["1-4", "65532-65535"]),
    ],
)
def test_which_ports_are_on_demand(documented: Any, heard: Any, expected: list[str]) -> None:
    one = listening(*heard, documented=documented)
    assert on_demand(one) == Ports.parse(expected)
    silent = one.documented - Ports.parse(heard) - Ports.parse(expected)
    assert broken(one, "silent").get("silent", "none") == str(silent)
    assert broken(one, "silent-range").get("silent-range", "none") == str(Ports.parse(expected))


def test_what_listens_on_loopback_alone_opens_no_range() -> None:
    one = container(listener(21, "127.0.0.1", "loopback"), documented=[21, "21100-21110"])
    assert broken(one) == {"unreachable": "21/tcp", "silent": "21100-21110/tcp"}


def test_one_of_the_range_on_loopback_is_part_of_it_that_is_served() -> None:
    loopback = listener(21105, "127.0.0.1", "loopback")
    one = container(listener(21), loopback, documented=[21, "21100-21110"])
    assert broken(one) == {
        "silent": "21100-21104/tcp, 21106-21110/tcp",
        "unreachable": "21105/tcp",
    }


def test_what_is_published_leads_nowhere_all_the_same() -> None:
    one = listening(21, documented=[21, "21100-21110"], published=[publication(21100)])
    assert broken(one) == {"published-silent": "21100/tcp"}


def test_the_rule_is_in_no_group_but_all() -> None:
    assert "silent-range" in expand(["all"])
    assert "silent-range" not in expand(["default", "cis"])


def test_it_is_called_so(tmp_path: Path) -> None:
    one = listening(21, documented=[21, "21100-21110"])
    one = replace(one, verdict=findings(one, select(["all"])))
    assert [x.split() for x in table(one)[1:]] == [
        ["21/tcp", "yes", "-", f"{ANY}:21", "-"],
        ["21100-21110/tcp", "yes", "-", "on", "demand", "-"],
    ]
    (cause,) = neighbours(one.findings)
    assert (cause.first.rule, cause.span) == ("silent-range", "21100-21110/tcp")
    record = of_container(one)
    hosts = [{"host": "local", "error": None, "containers": [record]}]
    html.write(tmp_path / "map.html", hosts)
    assert "on demand" in (tmp_path / "map.html").read_text()
    sarif.write(tmp_path / "map.sarif", hosts)
    run = json.loads((tmp_path / "map.sarif").read_text())["runs"][0]
    assert [x["level"] for x in run["results"]] == ["error"]
