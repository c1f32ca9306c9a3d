"""The instructions of a Dockerfile: their lines and words.

Format: https://docs.docker.com/reference/dockerfile/, and frontend/dockerfile/parser/parser.go of
moby/buildkit. A backslash continues a line, or the character of a directive `# escape=`;
here-documents are not instructions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_DIRECTIVE = re.compile(r"\s*#\s*(\w+)\s*=\s*(\S.*?)\s*")
_DIRECTIVES = ("syntax", "escape", "check")

_WORD = re.compile(r"""(?:[^\s"']|"(?:\\.|[^"])*"|'[^']*')+""")
_HERE = re.compile(r"[0-9]*<<(-?)([^<]+)")
"""A word that begins a here-document, and its end."""


def instructions(text: str) -> list[tuple[int, str, list[str]]]:
    """Return the line number, name and words of each instruction."""
    found: list[tuple[int, str, list[str]]] = []
    whole, began = "", 0
    ends: list[tuple[bool, str]] = []
    lines = text.split("\n")
    mark = _escape(lines)
    for number, line in enumerate(lines, 1):
        if ends:
            has_tabs, end = ends[0]
            if (line.lstrip("\t") if has_tabs else line).rstrip("\r") == end:
                ends.pop(0)
            continue
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        began = began if whole else number
        whole += line.rstrip()
        if whole.endswith(mark):
            whole = whole[: -len(mark)]
            continue
        words = _WORD.findall(whole)
        if words:
            found.append((began, words[0].upper(), words[1:]))
        ends = _ends(words)
        whole = ""
    if words := _WORD.findall(whole):  # the last line ends as if another followed
        found.append((began, words[0].upper(), words[1:]))
    return found


def _escape(lines: Sequence[str]) -> str:
    """Return the character that continues a line, by the directives at the top."""
    for line in lines:
        found = _DIRECTIVE.fullmatch(line)
        if found is None or found[1].lower() not in _DIRECTIVES:
            break
        if found[1].lower() == "escape":
            return found[2]
    return "\\"


def _ends(words: Sequence[str]) -> list[tuple[bool, str]]:
    """Return the end of each here-document that an instruction begins, and whether tabs precede."""
    first = [x.upper() for x in words[:2]]
    if not first or first[first[0] == "ONBUILD" and len(first) > 1] not in ("RUN", "COPY", "ADD"):
        return []
    found = (_HERE.fullmatch(x) for x in words)
    return [(x[1] == "-", x[2].strip("\"'")) for x in found if x]
