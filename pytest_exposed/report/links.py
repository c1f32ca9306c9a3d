"""Links to the documentation, by its address in the installed package's metadata."""

from __future__ import annotations

from importlib import metadata

RULES_PAGE = "reference/rules.html"
"""The page of the rules, with an anchor for each."""


def of_rule(name: str) -> str | None:
    """Return the address of a rule's chapter; None if the package names no documentation."""
    base = _documentation()
    return f"{base.rstrip('/')}/{RULES_PAGE}#{name}" if base else None


def _documentation() -> str | None:
    """Return the project URL named Documentation."""
    try:
        urls = metadata.metadata("pytest-exposed").get_all("Project-URL") or ()
    except metadata.PackageNotFoundError:  # loaded from source by -p
        return None
    # Core metadata 1.2: "label, address".
    named = dict(x.split(", ", 1) for x in urls if ", " in x)
    return named.get("Documentation")
