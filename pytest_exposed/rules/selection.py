"""Choosing rules by their names and groups. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pytest_exposed.errors import ConfigurationError
from pytest_exposed.rules import RULES, Rule
from pytest_exposed.text import did_you_mean


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
            near = did_you_mean(name, (*RULES, *groups))
            if {*RULES, *groups}.issuperset(words := re.split(r"[\s;]+", name)):
                near = f": a comma separates them, as in {', '.join(words)};"
            raise ConfigurationError(
                f"{name!r} is not a rule or a group of rules{near or ':'} rules are "
                f"{', '.join(RULES)}; groups are {', '.join(groups)}"
            )
        found |= members
    return found


NO_WARNING = "none"
"""What stands for no rule in the place of those whose findings are warnings."""


def warned(names: Sequence[str]) -> set[str]:
    """Return the names of the rules whose findings are warnings; raises ConfigurationError.

    NO_WARNING stands alone: beside a rule it would say that nothing and something is one.
    """
    if NO_WARNING not in names:
        return expand(names)
    if len(names) > 1:
        raise ConfigurationError(
            f"{', '.join(names)}: {NO_WARNING!r} means that no finding is a warning: give it "
            "alone, or rules and groups"
        )
    return set()


def select(
    chosen: Iterable[str] = (), ignored: Iterable[str] = (), warn: Sequence[str] = ()
) -> tuple[Rule, ...]:
    """Return the rules of chosen names and groups, the default group for none, but ignored ones.

    warn are those whose findings are warnings, beside what rules find as advice; NO_WARNING makes
    that a finding like any other. Raises ConfigurationError for a name that is neither a rule nor a
    group, and where none is left: by no rule everything would be right.
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
    warns = warned(warn)
    left = tuple(replace(x, warns=x.name in warns) for x in left)
    return tuple(replace(x, advises=None) for x in left) if NO_WARNING in warn else left
