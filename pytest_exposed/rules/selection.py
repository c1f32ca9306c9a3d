"""Choosing rules by their names and groups. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_exposed.errors import ConfigurationError
from pytest_exposed.rules import RULES, Rule


def split(texts: str | Iterable[str]) -> tuple[str, ...]:
    """Return the names in comma-separated texts."""
    lines = [texts] if isinstance(texts, str) else texts
    return tuple(x.strip() for line in lines for x in line.split(",") if x.strip())


def expand(names: Iterable[str]) -> set[str]:
    """Return the names of the rules that names of rules and groups mean.

    Raises ConfigurationError for a name that is neither.
    """
    groups = [*sorted({x for rule in RULES.values() for x in rule.groups}), "all"]
    found: set[str] = set()
    for name in names:
        members = {x.name for x in RULES.values() if name in ("all", x.name) or name in x.groups}
        if not members:
            raise ConfigurationError(
                f"{name!r} is not a rule or a group of rules: rules are {', '.join(RULES)}; "
                f"groups are {', '.join(groups)}"
            )
        found |= members
    return found


def select(chosen: Iterable[str] = (), ignored: Iterable[str] = ()) -> tuple[Rule, ...]:
    """Return the rules of chosen names and groups, the default group for none, but ignored ones.

    Raises ConfigurationError for a name that is neither a rule nor a group, and where none is left:
    by no rule everything would be right.
    """
    chosen, ignored = tuple(chosen), tuple(ignored)
    wanted = expand(chosen) or expand(["default"])
    unwanted = expand(ignored)
    left = tuple(x for x in RULES.values() if x.name in wanted and x.name not in unwanted)
    if not left:
        raise ConfigurationError(
            f"no rule is left to judge by: {', '.join(chosen) or 'default'} is selected, and "
            f"{', '.join(ignored)} ignored"
        )
    return left
