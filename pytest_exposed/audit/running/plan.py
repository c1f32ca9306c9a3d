"""What a run is to start: the words of each `docker run`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import field

from pytest_exposed.errors import ConfigurationError
from pytest_exposed.values import dataclass

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """A container to be started."""

    words: Words = field(repr=False)  # they can hold passwords
    """Those behind `docker run`."""
    image: str
    """The image's name, which the test is called by."""


def split(lines: Sequence[str]) -> tuple[Words, ...]:
    """Return the words of each line, split as a shell does; ConfigurationError for a bad line."""
    found = []
    for line in lines:
        try:
            words = tuple(shlex.split(line))
        except ValueError as error:  # its text quotes nothing of the line
            raise ConfigurationError(
                f"a line can't be split as a shell does: {error}; write [OPTIONS] IMAGE [COMMAND], "
                "as behind `docker run`"
            ) from None
        if any(x.startswith("#") for x in words):
            raise ConfigurationError(
                "a word begins with #, and a line has no comment: write it on a line of its own"
            )
        if not words:
            raise ConfigurationError(
                "no image is named: write [OPTIONS] IMAGE [COMMAND], as behind `docker run`"
            )
        found.append(words)
    return tuple(found)
