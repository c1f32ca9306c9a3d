"""Reports, one module per format; the file's suffix chooses."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TextIO

from pytest_exposed.errors import ConfigurationError
from pytest_exposed.report.record import HostRecord

_FORMATS = {".html": "html", ".json": "json", ".md": "markdown", ".sarif": "sarif"}
"""The modules of this package by the suffixes of files."""

STANDARD_OUTPUT = "json:-"
"""The name of the JSON report on standard output."""


def check(name: str) -> Path:
    """Return the path of a report; raises ConfigurationError if it can't be written."""
    if name.startswith("json:"):
        raise ConfigurationError(
            f"{name!r} is not a report: write a file's name alone, or {STANDARD_OUTPUT} for "
            "standard output"
        )
    if Path(name).suffix.lower() not in _FORMATS:
        raise ConfigurationError(
            f"{name!r} is not a report: its name ends in one of {', '.join(_FORMATS)}, or "
            f"{STANDARD_OUTPUT} for standard output"
        )
    path = Path(name)
    if path.is_dir():
        raise ConfigurationError(f"{name!r} can't be written: it is a folder")
    return path


def in_folder(name: str) -> Path:
    """Return the path of a file to write; raises ConfigurationError if its folder is missing."""
    path = Path(name)
    if not path.parent.is_dir():
        raise ConfigurationError(f"{name!r} can't be written: there is no folder {path.parent}")
    return path


def write(path: Path, hosts: Sequence[HostRecord]) -> None:
    """Write a report in the format of its suffix, and make its folder; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)  # as pytest's --junitxml
    form = import_module(f"{__name__}.{_FORMATS[path.suffix.lower()]}")  # rarely used
    form.write(path, hosts)


def write_json(stream: TextIO, hosts: Sequence[HostRecord]) -> None:
    """Write the JSON report to a stream; raises OSError."""
    stream.write(import_module(f"{__name__}.json").text_of(hosts))
    stream.flush()
