"""The table of services: how each runs, and what an audit should find in it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomllib

CLASSES = ("act", "fact", "quiet", "nonsense")
"""What findings can be: services.toml says what each means."""

DYNAMIC = "dynamic"
"""What stands for all findings about ports that nobody chose: their numbers are never the same."""

Key = tuple[str, str]
"""A finding's rule and port; of DYNAMIC, no port."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service: its image, and the class of each finding that is known of it."""

    name: str
    exposes: str
    start: str
    options: tuple[str, ...]
    health: str | None
    expected: Mapping[Key, str]

    @property
    def dockerfile(self) -> str:
        """The lines of its image's Dockerfile but for the first, FROM."""
        lines = [f"EXPOSE {self.exposes}"] if self.exposes else []
        lines += [f"HEALTHCHECK {self.health}"] if self.health else []
        command = json.dumps(["sh", "-c", self.start.strip()])
        return "\n".join([*lines, f"CMD {command}"])


def read(path: Path) -> tuple[dict[str, Service], dict[str, str]]:
    """Return the services of a table by their names, and the packages that they need."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    packages = table.pop("packages")
    return {name: _service(name, row) for name, row in table.items()}, packages


def _service(name: str, row: Mapping[str, Any]) -> Service:
    return Service(
        name,
        row["exposes"],
        row["start"],
        tuple(shlex.split(row.get("options", ""))),
        row.get("health"),
        {key: x for x in CLASSES for text in row.get(x, ()) for key in _keys(text)},
    )


def _keys(text: str) -> Iterator[Key]:
    """Yield the findings that a text means: "silent 80-82/tcp" is three."""
    rule, _, ports = text.partition(" ")
    if not ports:
        yield rule, ""
        return
    numbers, _, protocol = ports.partition("/")
    first, _, last = numbers.partition("-")
    for number in range(int(first), int(last or first) + 1):
        yield rule, f"{number}/{protocol}"
