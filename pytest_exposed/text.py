"""Makes hostile text safe to show: names, labels, processes and messages."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress


def printable(text: str, limit: int = 256) -> str:
    """Return text with all unprintable characters escaped, cut off after limit characters.

    Control characters, escape codes, line ends and invisible marks of writing direction become
    backslash escapes: the result can neither move the cursor nor add a line.
    """
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def plural(count: int, noun: str) -> str:
    """Return "1 container", "2 containers"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def one_line(text: str) -> str:
    """Return a text of several lines in one: "a: b; c"."""
    lines = [" ".join(x.split()) for x in text.splitlines()]
    return "; ".join(filter(None, lines)).replace(":; ", ": ")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ": " and the nearest known names, those about as near; empty if none is near."""
    from difflib import SequenceMatcher, get_close_matches  # noqa: PLC0415  # for mistakes alone

    alike = {x.casefold(): x for x in sorted(known)}
    found = get_close_matches(name.casefold(), alike, n=3, cutoff=0.6)
    ratios = [SequenceMatcher(a=x, b=name.casefold()).ratio() for x in found]
    near = [printable(alike[x]) for x, y in zip(found, ratios, strict=True) if y > ratios[0] - 0.1]
    *first, last = near or [""]
    return f": did you mean {', '.join(first)}{' or ' if first else ''}{last}?" if near else ""


_MOST_FILES = 1000


def did_you_mean_file(path: str | os.PathLike[str]) -> str:
    """Return what did_you_mean does of the files beside a missing one, of the same ending."""
    folder, name = os.path.split(path)
    ending = os.path.splitext(name)[1]
    with suppress(OSError):
        beside = os.listdir(folder or os.curdir)
        if len(beside) <= _MOST_FILES:
            return did_you_mean(name, (x for x in beside if os.path.splitext(x)[1] == ending))
    return ""
