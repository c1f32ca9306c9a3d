"""The rules as people look them up."""

from __future__ import annotations

from textwrap import fill

from pytest_exposed.rules import RULES


def reference() -> str:
    """Return the rules with their groups, why they matter and what to do."""
    blocks = []
    for rule in RULES.values():
        text = fill(rule.help, 88, initial_indent="    ", subsequent_indent="    ")
        blocks.append(
            f"{rule.name}  ({', '.join(rule.groups) or 'all'})\n    {rule.summary}\n{text}"
        )
    return "\n\n".join(blocks)
