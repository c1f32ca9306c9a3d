"""The layers of an image: which of them exposed a port. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from pytest_exposed.model import Image
from pytest_exposed.model.ports import Port, Ports
from pytest_exposed.text import printable
from pytest_exposed.values import dataclass

_CLASSIC = re.compile(r"(?:/bin/sh -c|cmd /S /C) #\(nop\)\s+")
_INSTRUCTION = re.compile(r"[A-Z]+(?= )")
_START = ("CMD", "ENTRYPOINT")
_MOST_NAMES = 3
"""Names of a base image that are shown; it can have any number."""
_ID = re.compile(r"(sha256:)?[0-9a-f]{12,64}")
_BEHIND_START = ("", "ARG", "HEALTHCHECK", "LABEL", "MAINTAINER", "STOPSIGNAL")
"""Instructions that may follow a Dockerfile's CMD; `docker build --label` adds one."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Which layer of an image exposed a port."""

    command: str | None = None
    """The layer's command; None where the history lacks it."""
    base: str | None = None
    """The name of the image that it is inherited from; None where it isn't, or has no name."""
    inherited: bool = False
    unsure: bool = False
    """Whether that image may be an earlier build of the same Dockerfile instead: its layers were
    used again."""


def origin_of(image: Image, port: Port) -> Origin:
    """Return which layer of an image exposed a port, and whether an image below it did.

    The history of a pulled image names no base images. But a Dockerfile ends with its CMD: layers
    above a CMD are another Dockerfile's.
    """
    place = exposed_by(image.history, port)
    if place is None or image.history is None:
        return Origin()
    command = image.history[place]
    # Of several bases, one upon the other, the one that wrote it.
    bases = [x for x in image.parents.items() if x[0] <= place]
    if bases:
        names = max(bases)[1]
        # Which of these the Dockerfile's FROM had is unknown.
        base = " or ".join(names[:_MOST_NAMES])
        return Origin(command, base, inherited=True, unsure=_may_be_earlier(image, names))
    above = map(_instruction, reversed(image.history[:place]))
    return Origin(command, inherited=_goes_on(above))


def _may_be_earlier(image: Image, names: Iterable[str]) -> bool:
    """Return whether another image may be an earlier build of an image, by the names of both."""
    own = {x for x in (image.name, *image.names) if not _ID.fullmatch(x)}
    return not own or not {_short(x) for x in own}.isdisjoint(map(_short, names))


def _short(name: str) -> str:
    """Return an image's name without its registry, tag and digest: one build has several."""
    return re.split("[:@]", name.rpartition("/")[2])[0]


def _goes_on(instructions: Iterable[str]) -> bool:
    """Return whether instructions, oldest first, go on where a Dockerfile has ended."""
    started: set[str] = set()
    for word in instructions:
        if word in started or (started and word not in (*_START, *_BEHIND_START)):
            return True
        started.update({word}.intersection(_START))
    return False


def _instruction(command: str) -> str:
    """Return the instruction that a layer's command was: "CMD"; empty for no command."""
    words = _CLASSIC.sub("", command)
    if match := _INSTRUCTION.match(words):
        return match[0]
    return "RUN" if words else ""


def exposed_by(history: Sequence[str] | None, port: Port) -> int | None:
    """Return the place in an image's history of the layer that exposed a port; newest first."""
    return _places(tuple(history or ())).get(port)


@lru_cache(maxsize=64)
def _places(history: tuple[str, ...]) -> dict[Port, int]:
    """Return the place of the newest layer that exposed each port.

    The classic builder writes `/bin/sh -c #(nop)  EXPOSE 80/tcp 443/tcp`, BuildKit
    `EXPOSE [80/tcp 443/tcp]` or `EXPOSE map[80/tcp:{}]`.
    """
    places: dict[Port, int] = {}
    for place, command in enumerate(history):
        before, _, written = command.partition("EXPOSE ")
        if before.rstrip() not in ("", "/bin/sh -c #(nop)", "cmd /S /C #(nop)"):
            continue
        words = written.replace("map[", " ").replace("[", " ").replace("]", " ").replace(":{}", " ")
        for port in Ports.from_exposed(words.split())[0]:
            places.setdefault(port, place)
    return places


def exposed(history: Sequence[str]) -> list[Ports]:
    """Return what each layer exposed that exposed a port, newest first."""
    return [Ports(_places((x,))) for x in history if _places((x,))]


def shown(command: str) -> str:
    """Return the command of a layer, as short as fits into a line."""
    return printable(command.removeprefix("/bin/sh -c #(nop)").strip(), 60)
