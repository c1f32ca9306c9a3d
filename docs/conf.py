"""How Sphinx builds these pages: strictly, as `tox -e docs` does."""

from __future__ import annotations

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
autodoc_class_signature = "separated"
