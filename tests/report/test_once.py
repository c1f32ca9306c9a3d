"""A Swarm service's finding is shown once for all its tasks; all others as often as they occur."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_exposed.report import markdown
from pytest_exposed.report.service_groups import findings, service_groups
from pytest_exposed.report.summary import summary

if TYPE_CHECKING:
    from pathlib import Path

    from report.document import Record


def record(name: str, *rules: str, service: str | None = None, swarm: str | None = None) -> Record:
    values: dict[str, Any] = {"port": "80/tcp", "message": "m", "fix": "f", "waived": None}
    return {
        "id": name,
        "name": name,
        "image": "web:1",
        "service": service,
        "service_id": swarm,
        "findings": [{**values, "rule": x} for x in rules],
        "error": None,
    }


def task(name: str, *rules: str, swarm: str = "id-1") -> Record:
    return record(name, *rules, service="web", swarm=swarm)


def hosts(*lists: list[Record]) -> list[Record]:
    return [
        {"host": f"prod-{number}", "error": None, "containers": containers}
        for number, containers in enumerate(lists, start=1)
    ]


@pytest.mark.parametrize(
    ("given", "who", "rules"),
    [
        (hosts([record("a", "ssh"), record("b", "ssh")]), ["a", "b"], ["ssh", "ssh"]),
        # Compose's replicas publish ports of their own.
        (
            hosts([record(x, "ssh", service="shop/web") for x in "ab"]),
            ["a", "b"],
            ["ssh", "ssh"],
        ),
        (hosts([task("a", "ssh"), task("b", "ssh")]), ["service web (2 tasks)"], ["ssh"]),
        (hosts([task("a", "ssh")], [task("b", "ssh")]), ["service web (2 tasks)"], ["ssh"]),
        # Of that name, and of another swarm.
        (
            hosts([task("a", "ssh")], [task("b", "ssh", swarm="id-2")]),
            ["service web (1 task)", "service web (1 task)"],
            ["ssh", "ssh"],
        ),
        (
            hosts([task("a", "ssh", "silent"), task("b", "ssh"), task("c", "ssh")]),
            ["service web (1 task)", "service web (2 tasks)"],
            ["ssh", "silent"],
        ),
    ],
)
def test_once(given: list[Record], who: list[str], rules: list[str]) -> None:
    assert [x.who for x in service_groups(given)] == who
    assert [x["rule"] for x in findings(given)] == rules


def test_the_summary_counts_containers_and_findings() -> None:
    assert summary(hosts([task("a", "ssh"), task("b", "ssh"), record("c")])) == (
        "3 containers on 1 host, 1 match, 2 do not (ssh 1)"
    )


def test_markdown_is_grouped_by_host_and_service(tmp_path: Path) -> None:
    given = hosts([task("a", "ssh"), record("c", "ssh")], [task("b", "ssh")], [record("d", "ssh")])
    markdown.write(tmp_path / "report.md", given)
    lines = (tmp_path / "report.md").read_text().splitlines()
    assert [
        x.split(" | ")[0] for x in lines if x.startswith(("## ", "| ")) and "rule" not in x
    ] == [
        "## prod-1",
        "| service web (2 tasks)",
        "| c",
        "## prod-3",
        "| d",
    ]


@pytest.mark.parametrize("number", [500, 501])
def test_markdown_says_how_much_it_leaves_out(number: int, tmp_path: Path) -> None:
    half = number // 2
    names = [f"c{x}" for x in range(number)]
    given = hosts(
        [record(x, "ssh") for x in names[:half]], [record(x, "ssh") for x in names[half:]]
    )
    markdown.write(tmp_path / "report.md", given)
    lines = (tmp_path / "report.md").read_text().splitlines()
    assert sum(x.startswith("| c") and "web" in x for x in lines) == 500
    assert ("… and 1 more rows of the tables" in lines) is (number == 501)
