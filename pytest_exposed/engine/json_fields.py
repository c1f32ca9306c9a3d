"""Typed values from JSON of unknown form: a value of another type becomes empty."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

JsonObject = dict[str, Any]
"""A JSON object; every field can be missing, null or of another type."""


def as_text(value: object) -> str:
    """Return a string; lone surrogates, which JSON allows and no file can hold, are replaced."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else ""


def as_dict(value: object) -> JsonObject:
    """Return an object; an empty one for any other type."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Return a list; an empty one for any other type."""
    return value if isinstance(value, list) else []


def as_number(value: object) -> int | None:
    """Return an integer, or None for any other type. JSON's true, an int in Python, is none."""
    return value if type(value) is int else None


def as_texts(value: object) -> list[str]:
    """Return the strings in a list."""
    return [x for x in as_list(value) if isinstance(x, str)]


def as_labels(value: object) -> dict[str, str]:
    """Return an object with strings as its values."""
    return {as_text(str(k)): as_text(str(v)) for k, v in as_dict(value).items()}


def as_words(value: object) -> tuple[str, ...]:
    """Return a list with each value as a string."""
    return tuple(as_text(str(x)) for x in as_list(value))


def when(value: object) -> datetime | None:
    """Return a time as engines write it, RFC 3339 with up to nine digits; None for what is none."""
    match = re.fullmatch(
        r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", as_text(value), re.ASCII
    )
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
        moment = moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None
    return moment.replace(microsecond=int((match[2] or ".")[1:7].ljust(6, "0")))
