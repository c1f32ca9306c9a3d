"""Text from outside, made safe to show: names, labels, processes and messages are hostile."""

from __future__ import annotations


def printable(text: str, limit: int = 256) -> str:
    """Return text with everything that isn't printable escaped; of a longer one the first limit.

    Control characters, escape codes, line ends and the invisible marks that turn the direction of
    writing all become backslash escapes: what is left can neither move the cursor nor add a line.
    """
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def plural(count: int, noun: str) -> str:
    """Return "1 container", "2 containers"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
