"""Links to the documentation, by its address in the installed package's metadata."""

from __future__ import annotations

from importlib import metadata

RULES_PAGE = "reference/rules.html"
"""The page of the rules, with an anchor for each."""


def of_rule(name: str) -> str | None:
    """Return the address of a rule's chapter; None if the package names no documentation."""
    try:
        urls = metadata.metadata("pytest-exposed").get_all("Project-URL") or ()
    except metadata.PackageNotFoundError:  # loaded from source by -p
        return None
    # Core metadata 1.2: "label, address".
    base = dict(x.split(", ", 1) for x in urls if ", " in x).get("Documentation")
    return f"{base.rstrip('/')}/{RULES_PAGE}#{name}" if base else None
