"""The rules: what is wrong with a port of a container, why, and what to do. Pure.

A rule is a function of a Case, or of a container, that returns what is wrong, or None; the
decorator gives its name and its groups, the docstring what users read of it.
"""

from __future__ import annotations

from pytest_exposed.rules import cis, default, dynamic, multicast, on_demand
from pytest_exposed.rules.rule import Case, Rule

__all__ = ["RULES", "Case", "Rule"]

RULES = {
    x.name: x
    for x in (*default.RULES, *dynamic.RULES, *cis.RULES, *on_demand.RULES, *multicast.RULES)
}
"""All rules by their names."""
