"""Reports: what was found, for people and for programs. The ending of a file's name chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_exposed.errors import ConfigurationError
from pytest_exposed.report import html, json, markdown, sarif
from pytest_exposed.report.record import Record

WRITERS: dict[str, Callable[[Path, Sequence[Record]], None]] = {
    ".html": html.write,
    ".json": json.write,
    ".md": markdown.write,
    ".sarif": sarif.write,
}


def check(name: str) -> Path:
    """Return the path of a report to be written; ConfigurationError where it can't be."""
    path = Path(name)
    if path.suffix not in WRITERS:
        raise ConfigurationError(
            f"{name!r} has no ending of a report: choose one of {', '.join(WRITERS)}"
        )
    if not path.parent.is_dir():
        raise ConfigurationError(f"{name!r} can't be written: there is no folder {path.parent}")
    return path


def write(path: Path, hosts: Sequence[Record]) -> None:
    """Write a report in the form that its ending names; raises OSError."""
    WRITERS[path.suffix](path, hosts)
