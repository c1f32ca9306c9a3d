"""The Markdown report: what a job's summary shows first is what is to be done."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from report.test_html import finding, host, record

from pytest_exposed import __version__, report
from pytest_exposed.model.ports import Ports
from pytest_exposed.report.markdown import _MOST, _MOST_MATCHING
from pytest_exposed.unpatched import now

if TYPE_CHECKING:
    from report.document import Record


def rows(tmp_path: Path, *containers: Record) -> list[list[str]]:
    """Return the cells of the rows that are written for containers of one host."""
    report.write(tmp_path / "r.md", [{"host": "h", "error": None, "containers": containers}])
    lines = (tmp_path / "r.md").read_text(encoding="utf-8").splitlines()
    table = [x for x in lines if x.startswith("| ")]
    return [[y.strip() for y in x.strip("|").split(" | ")] for x in table[1:]]


def test_what_is_waived_comes_last(tmp_path: Path) -> None:
    waived = finding(waived="later")
    found = rows(tmp_path, record("a", waived), record("b", finding()), record("c", waived))
    assert [x[0] for x in found] == ["b", "a", "c"]
    assert [x[-1] for x in found] == ["f", "later", "later"]
    assert [" (accepted)" in x[2] for x in found] == [False, True, True]


def test_what_matches_is_named_with_its_ports(tmp_path: Path) -> None:
    many = [record(f"c{x:02}") for x in range(_MOST_MATCHING + 2)]
    rows(tmp_path, *many, record("worse", finding()))
    lines = [x for x in (tmp_path / "r.md").read_text().splitlines() if " match" in x]
    heard = str(Ports.parse(*(many[0]["listening"] or ()))) or "nothing"
    image = many[0]["image"]
    assert lines[1] == f"- c00 ({image}) matches: it listens on {heard}"
    assert lines[-1] == "- … and 2 more that match"
    assert not any("worse" in x for x in lines)


def test_what_does_not_run_is_named(tmp_path: Path) -> None:
    ended = {"id": "1", "name": "d_b", "image": "i", "state": "exited", "exit_code": 137}
    hosts = [{"host": "h", "error": None, "containers": [], "not_running": [ended]}]
    report.write(tmp_path / "r.md", hosts)
    assert "\n- d\\_b: not running (exited 137)\n" in (tmp_path / "r.md").read_text()


def test_what_is_cut_is_what_is_waived(tmp_path: Path) -> None:
    many = [finding(port=f"{x}/tcp", waived="") for x in range(1, 2 * _MOST, 2)]
    found = rows(tmp_path, record("a", *many), record("b", finding()))
    assert len(found) == _MOST
    assert found[0][0] == "b"


def text(tmp_path: Path, *hosts: Record) -> str:
    report.write(tmp_path / "r.md", hosts)
    return (tmp_path / "r.md").read_text(encoding="utf-8")


def test_it_says_what_was_audited_and_when(tmp_path: Path) -> None:
    before = now()
    found = text(tmp_path, host(record(), name="ssh://prod-1"), host(name="b_c", error="gone"))
    line = re.search(r"^Audited (.*) at (.*), by pytest-exposed (.*)\.$", found, re.MULTILINE)
    assert line
    assert line[1] == r"ssh\://prod-1, b\_c"
    assert before <= line[2] <= now()
    assert line[3] == __version__


def test_what_matches_stands_below_its_host(tmp_path: Path) -> None:
    hosts = [host(record("a"), name="one"), host(name="two"), host(record("b"), name="three")]
    report.write(tmp_path / "r.md", hosts)
    lines = (tmp_path / "r.md").read_text(encoding="utf-8").splitlines()
    found = [x.split(" (")[0] for x in lines if x.startswith(("## ", "- "))]
    assert found == ["## one", "- a", "## three", "- b"]


def test_of_many_hosts_the_first_are_named(tmp_path: Path) -> None:
    hosts = [host(name=f"h{x}") for x in range(23)]
    assert "h19, 3 more at 2" in text(tmp_path, *hosts)


def test_each_broken_rule_is_explained_once(tmp_path: Path) -> None:
    waived = finding("silent", port="443/tcp", waived="later")
    found = text(tmp_path, host(record("a", finding(), waived)), host(record("b", finding())))
    lines = [x for x in found.splitlines() if x.startswith("- ")]
    assert [x.split("]")[0].lstrip("- [").split(":")[0] for x in lines] == [
        "silent",
        "undocumented",
    ]
    assert lines[0].endswith(": A port is documented, and nothing listens on it.")


def test_nothing_is_explained_where_nothing_is_wrong(tmp_path: Path) -> None:
    found = text(tmp_path, host(record()))
    assert found.rstrip().splitlines()[-1].startswith("- web (webapp:1) matches: ")
