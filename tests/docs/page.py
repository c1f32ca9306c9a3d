"""A page of the documentation: the files that it shows, its commands, and what they print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs"
PAGES = sorted(str(x.relative_to(FOLDER)) for x in FOLDER.rglob("*.md"))

# A fenced block, and the name of the file that it is, if it is one: "In `test_web.py`:"
_BLOCK = re.compile(
    r"(?:^[^\n]*`(?P<file>[\w./-]+\.\w+)`[^\n`]*:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_PROMPT = "$ "


@dataclass(frozen=True)
class File:
    """A file that the page shows, and that its commands find in their folder."""

    name: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command that the page shows, and what it prints: "..." stands for anything."""

    line: str
    output: str

    def prints(self, text: str) -> bool:
        """Return whether a text is the command's output."""
        pattern = "".join(
            r"(?:.*\n)*?" if x == "..." else re.escape(x).replace(r"\.\.\.", ".*") + "\n"
            for x in self.output.splitlines()
        )
        return re.fullmatch(pattern, text) is not None


def steps(text: str) -> Iterator[File | Command]:
    """Yield the files and commands of a page in its order."""
    for block in _BLOCK.finditer(text):
        if block["kind"] == "console":
            yield from _commands(block["text"])
        elif block["file"] is not None:
            yield File(block["file"], block["text"])


def _commands(text: str) -> Iterator[Command]:
    for part in re.split(rf"^(?={re.escape(_PROMPT)})", text, flags=re.MULTILINE):
        if not part:
            continue
        assert part.startswith(_PROMPT), f"a console's block begins with a command: {part!r}"
        line, _, output = part.removeprefix(_PROMPT).partition("\n")
        yield Command(line, output)


def kinds(text: str) -> set[str]:
    """Return the kinds of all blocks of a page."""
    return {x["kind"] for x in _BLOCK.finditer(text)}
