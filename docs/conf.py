"""How Sphinx builds these pages: strictly, as `tox -e docs` does."""

from __future__ import annotations

import dataclasses
from typing import Any

project = "pytest-exposed"
author = "The pytest-exposed developers"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["conf.py", "options_table.py"]
html_extra_path = ["report.schema.json"]
html_theme = "alabaster"
html_show_copyright = False
myst_heading_anchors = 2
nitpicky = True
autodoc_typehints = "none"  # a docstring says what is taken and returned


def signature(
    app: object, what: str, name: str, found: object, *rest: object
) -> tuple[str, None] | None:
    """Leave out how snapshots are made: nobody makes them but the package."""
    del app, rest
    made = what == "class" and dataclasses.is_dataclass(found)
    return ("", None) if made or name.endswith("Check") else None


def setup(app: Any) -> None:
    """Connect the function above, as Sphinx asks for."""
    app.connect("autodoc-process-signature", signature)
