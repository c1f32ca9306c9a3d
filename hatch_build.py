"""The long description: the README with absolute links, since a package index has no files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_RELATIVE = re.compile(r"\]\((?![a-z]+:|#)([^)]+)\)")


class ReadmeHook(MetadataHookInterface):
    """Sets the readme, which pyproject.toml calls dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Write relative links as files of the repository that pyproject.toml names."""
        files = metadata["urls"]["Repository"] + "/blob/main/"
        readme = Path(self.root, "README.md").read_text(encoding="utf-8")
        text = _RELATIVE.sub(rf"]({files}\1)", readme)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
