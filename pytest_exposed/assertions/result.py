"""The result of a check."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_exposed.model import Container, Finding
from pytest_exposed.text import printable

_WHOLE = 1 << 16
MOST = 236
"""Characters of a check's repr: pytest cuts it in a failed assertion at 240."""


class Check:
    """The result of a check: true or false, and why in one line."""

    __slots__ = {
        "_holds": "",
        "_why": "",
        "containers": "Snapshots of the containers that were looked at.",
        "findings": "What container_matches_image found that fails.",
    }

    def __init__(
        self, holds: bool, why: str, *containers: Container, findings: Sequence[Finding] = ()
    ) -> None:
        """Keep the answer, why, the containers that were looked at, and the findings of one."""
        self._holds = holds
        self._why = why
        self.containers = containers
        self.findings = findings

    def __bool__(self) -> bool:
        return self._holds

    def __eq__(self, other: object) -> bool:
        # With `== True` alone, which people write: two checks are two answers.
        return self._holds == other if isinstance(other, bool) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._holds)

    def __str__(self) -> str:
        return printable(self._why, _WHOLE)

    def __repr__(self) -> str:
        return printable(self._why, MOST)
