"""The Markdown report: a table for a CI job's summary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pytest_exposed.report.once import findings
from pytest_exposed.report.record import Record
from pytest_exposed.report.summary import summary
from pytest_exposed.text import printable

_MOST = 500
"""Rows that are written: a CI job's summary is limited to a megabyte."""


def write(path: Path, hosts: Sequence[Record]) -> None:
    """Write the summary, and a row for each finding and for each container that was not seen."""
    rows = list(_rows(hosts))
    lines = ["# Container ports", "", _escaped(summary(hosts)), ""]
    if rows:
        lines += ["| container | image | rule | port | what | to do |", "|---|---|---|---|---|---|"]
        lines += rows[:_MOST]
    if len(rows) > _MOST:
        lines += ["", f"… and {len(rows) - _MOST} more"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _rows(hosts: Sequence[Record]) -> Iterator[str]:
    for host in hosts:
        if host["error"] is not None:
            yield _row(host["host"], "", "not reached", "", host["error"], "")
        for container in host["containers"]:
            if container["error"] is not None:
                name, image = container["name"], container["image"]
                yield _row(name, image, "not observed", "", container["error"], "")
    for once in findings(hosts):
        finding, todo = once.finding, once.finding["fix"]
        if finding["waived"] is not None:
            todo = f"waived: {finding['waived']}" if finding["waived"] else "waived"
        image, port = once.container["image"], finding["port"] or ""
        yield _row(once.who, image, finding["rule"], port, finding["message"], todo)


def _row(*cells: str) -> str:
    return "| " + " | ".join(_escaped(" ".join(x.split())) for x in cells) + " |"


def _escaped(text: str) -> str:
    """Return text that Markdown, and HTML in it, shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>()#!|~&@:])", r"\\\1", printable(text, 400))
