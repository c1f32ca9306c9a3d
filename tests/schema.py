"""The JSON report's schema, which every report that a test writes must meet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMA = json.loads(
    Path(__file__).parent.with_name("docs").joinpath("report.schema.json").read_bytes()
)
_VALIDATOR = Draft202012Validator(SCHEMA)


def problems(document: Any) -> list[str]:
    """Return what the schema refuses in a report."""
    return [f"{x.json_path}: {x.message}" for x in _VALIDATOR.iter_errors(document)]


def problems_below(folder: Path) -> list[str]:
    """Return what the schema refuses in the reports below a folder; other files are none."""
    found = []
    for path in sorted(folder.rglob("*.json")):
        try:
            document = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(document, dict) and {"version", "hosts"} <= document.keys():
            found += [f"{path.name}: {x}" for x in problems(document)]
    return found
