"""The security model names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
TEXT = (TESTS.parent / "docs" / "explanation" / "security-model.md").read_text(encoding="utf-8")


def test_every_file_that_it_names_is_there() -> None:
    files = set(re.findall(r"`(?:tests/)?(\w+/\w+\.py)", TEXT))
    assert len(files) > 10
    assert [x for x in files if not (TESTS / x).is_file()] == []


def test_every_test_that_it_names_is_there() -> None:
    code = "\n".join(x.read_text(encoding="utf-8") for x in TESTS.rglob("test_*.py"))
    defined = set(re.findall(r"(?:def|class) ((?:test_|Test)\w+)", code))
    named = set(re.findall(r"\b(?:test_|Test[A-Z])\w+(?!\w*\.py)\b", TEXT))
    assert len(named) > 20
    assert named <= defined
