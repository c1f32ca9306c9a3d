"""The JSON report, version 1; docs/report.schema.json is its schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_exposed.report.record import HostRecord


def text_of(hosts: Sequence[HostRecord]) -> str:
    """Return the report of the hosts, each with its containers or its error."""
    return json.dumps({"version": 1, "hosts": list(hosts)}, indent=2, ensure_ascii=True) + "\n"


def write(path: Path, hosts: Sequence[HostRecord]) -> None:
    """Write the report to a file; raises OSError."""
    path.write_text(text_of(hosts), encoding="utf-8")
