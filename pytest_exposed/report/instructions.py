"""The instructions of a Dockerfile: their lines, words and values.

Format: https://docs.docker.com/reference/dockerfile/, and frontend/dockerfile/parser/parser.go of
moby/buildkit. A backslash continues a line, or the character of a directive `# escape=`;
here-documents are not instructions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress

from pytest_exposed.errors import PortError
from pytest_exposed.model.ports import Ports

_DIRECTIVE = re.compile(r"\s*#\s*(\w+)\s*=\s*(\S.*?)\s*")
_DIRECTIVES = ("syntax", "escape", "check")

_WORD = re.compile(r"""(?:[^\s"'\\]|\\["']?|"(?:\\.|[^"\\])*"|'[^']*'|["'])+""")
"""A quote that nothing ends, or behind a backslash, is a letter of a shell's command."""
_HERE = re.compile(r"[0-9]*<<(-?)([^<]+)")
"""A word that begins a here-document, and its end."""

VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?-([^}]*))?\})")


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
        if whole.endswith(mark) and not whole.endswith(2 * mark):
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


def values_of(words: Sequence[str], known: dict[str, str]) -> dict[str, str]:
    """Return the variables that words like NAME=VALUE give."""
    pairs = (x.partition("=") for x in words)
    return {name: expanded(value, known).strip("\"'") for name, equals, value in pairs if equals}


def expanded(word: str, known: Mapping[str, str]) -> str:
    """Return a word with its variables replaced; those that are not known stay."""
    return VARIABLE.sub(lambda x: known.get(x[1] or x[2], x[0] if x[3] is None else x[3]), word)


def command_of(words: Sequence[str], shell: Sequence[str]) -> tuple[str, ...]:
    """Return the command of a CMD or an ENTRYPOINT as an image has it."""
    text = " ".join(words)
    with suppress(ValueError, RecursionError):
        found = json.loads(text)
        if isinstance(found, list) and all(isinstance(x, str) for x in found):
            return tuple(found)
    return (*shell, text) if text else ()


def ports_of(words: Sequence[str], known: dict[str, str]) -> Ports:
    """Return the ports of an EXPOSE, except those in variables that are not known."""
    found = Ports()
    for word in words:
        try:
            # As of `docker run -p`, what stands before a colon is the host's.
            port = expanded(word, known).strip("\"'").lower().rpartition(":")[2]
            found |= Ports.parse(port)
        except PortError:  # a variable, known only to the build
            continue
    return found
