"""JSON that can be anything: what of it is of the kind that is asked for, or nothing."""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]
"""A JSON object, of which every field can be missing, null or of another type."""


def as_text(value: object) -> str:
    """Return a text without halves of characters, which JSON can hold and nothing can write."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else ""


def as_dict(value: object) -> JsonObject:
    """Return an object; an empty one for what is none."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Return a list; an empty one for what is none."""
    return value if isinstance(value, list) else []


def as_number(value: object) -> int | None:
    """Return an integer; None for what is none, such as JSON's true, which is an int to Python."""
    return value if type(value) is int else None


def as_texts(value: object) -> list[str]:
    """Return the texts in a list."""
    return [x for x in as_list(value) if isinstance(x, str)]


def as_labels(value: object) -> dict[str, str]:
    """Return an object of texts."""
    return {as_text(str(k)): as_text(str(v)) for k, v in as_dict(value).items()}


def as_words(value: object) -> tuple[str, ...]:
    """Return a list, all of which is read as texts."""
    return tuple(as_text(str(x)) for x in as_list(value))
