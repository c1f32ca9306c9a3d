"""Escapes text for HTML, and computes the digests of the page's own style and script."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

from pytest_exposed.text import printable

LONG = 2000
"""Characters of a message to show."""


def safe(text: object, limit: int = 256) -> str:
    """Return text escaped for any place in the page, even an attribute."""
    return escape(printable(str(text), limit))


def with_code(text: str) -> str:
    """Return a text of ours with the parts between backticks as code."""
    parts = safe(text, LONG).split("`")
    return "".join(f"<code>{x}</code>" if n % 2 else x for n, x in enumerate(parts))


def digest(text: str) -> str:
    """Return an element's digest for a content security policy; its text begins with a line end."""
    return "sha256-" + b64encode(sha256(f"\n{text}".encode()).digest()).decode()
