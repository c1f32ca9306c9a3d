"""What a run is to start: the words of each `docker run`, and which of them is the image."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import field

from pytest_exposed.errors import ConfigurationError
from pytest_exposed.text import printable
from pytest_exposed.values import dataclass

Words = tuple[str, ...]

_FORM = "write [OPTIONS] IMAGE [COMMAND], as behind `docker run`, in quotes"

# Long options of `docker run --help` and `podman run --help`: pflag's FlagUsages. A flag that needs
# no value has no type behind its name, or "[=...]".
_OPTION = re.compile(r" {2,}(?:-(\w), )?--([\w-]+)(?: ([^\s\[]+))?(?:  |\[|$)")


_HIDDEN = {"net", "net-alias"}
"""Long options that docker's help leaves out, and that take a value."""


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
                f"a line can't be split as a shell does: {error}; {_FORM}"
            ) from None
        if any(x.startswith("#") for x in words):
            raise ConfigurationError(
                "a word begins with #, and a line has no comment: write it on a line of its own"
            )
        if not words:
            raise ConfigurationError(f"no image is named: {_FORM}")
        if words[:2] in (("docker", "run"), ("podman", "run")):
            raise ConfigurationError(f"leave out `{' '.join(words[:2])}`: {_FORM}")
        found.append(words)
    return tuple(found)


def image_of(words: Sequence[str], help_text: str) -> str:
    """Return which of the words of `docker run` is the image: the first that is no option.

    It is what a test is called by. help_text is that of `docker run --help`, which says what
    options take a value. ConfigurationError where there is none.
    """
    options = [x.groups() for line in help_text.splitlines() if (x := _OPTION.match(line))]
    short = {x for x, _, value in options if x and value}
    long = {x for _, x, value in options if value} | _HIDDEN
    left = iter(words)
    for word in left:
        if word == "--":
            return _image(next(left, ""))
        if word.startswith("--"):
            name, equals, _ = word[2:].partition("=")
            _check_detached(name == "detach" and bool(equals))
            if name in long and not equals:
                next(left, None)
        elif word.startswith("-") and word != "-":
            letters, equals, _ = word[1:].partition("=")
            value = next((at for at, x in enumerate(letters) if x in short), None)
            _check_detached(value is None and letters.endswith("d") and bool(equals))
            if value == len(letters) - 1 and not equals:
                next(left, None)
        else:
            return _image(word)
    return _image("")


def _check_detached(has_value: bool) -> None:
    """Refuse a value of --detach: a command that stays attached ends with its container."""
    if has_value:
        raise ConfigurationError(
            "--exposed-run, exposed_run: --detach has a value: leave it out, a container that is "
            "judged runs in the background"
        )


def _image(word: str) -> str:
    why = "" if word else f"no image is named: {_FORM}"
    if word and (word[0] in ":/@" or word[-1] in ":/@"):
        why = f"{printable(word)!r} is no image: is a variable in it empty?"
    if why:
        raise ConfigurationError(f"--exposed-run, exposed_run: {why}")
    return word
