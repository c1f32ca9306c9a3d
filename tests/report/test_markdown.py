"""The Markdown report: what a job's summary shows first is what is to be done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from report.test_html import finding, record

from pytest_exposed import report
from pytest_exposed.report.markdown import _MOST

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
    assert [x[-1] for x in found] == ["f", "waived: later", "waived: later"]


def test_what_is_cut_is_what_is_waived(tmp_path: Path) -> None:
    many = [finding(port=f"{x}/tcp", waived="") for x in range(1, 2 * _MOST, 2)]
    found = rows(tmp_path, record("a", *many), record("b", finding()))
    assert len(found) == _MOST
    assert found[0][0] == "b"
