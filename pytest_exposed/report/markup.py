"""Text that is put into a page of HTML, and what allows the page's own style and script."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

from pytest_exposed.text import printable

LONG = 2000
"""Characters of a message that are shown."""


def safe(text: object, limit: int = 256) -> str:
    """Return text that is only text wherever it is put in the page, attributes included."""
    return escape(printable(str(text), limit))


def with_code(text: str) -> str:
    """Return a text of ours, what is between backticks as code."""
    parts = safe(text, LONG).split("`")
    return "".join(f"<code>{x}</code>" if n % 2 else x for n, x in enumerate(parts))


def digest(text: str) -> str:
    """Return what a content security policy calls an element that begins with a line end."""
    return "sha256-" + b64encode(sha256(f"\n{text}".encode()).digest()).decode()
