"""How pytest ends where it can't begin: with status 4, and one clear line."""

from __future__ import annotations

import pytest

PREFIX = "ERROR: pytest-exposed: "


def refusal(result: pytest.RunResult) -> str:
    """Return why a run was refused; AssertionError where it wasn't, or not in one line."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    lines = [x for x in result.errlines if x.strip()]
    assert len(lines) == 1, lines
    assert lines[0].startswith(PREFIX)
    # Nothing else is printed but pytest's heading, where it came that far.
    assert not any("Traceback" in x or "INTERNALERROR" in x for x in result.outlines)
    return lines[0].removeprefix(PREFIX)
