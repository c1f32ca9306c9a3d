"""The layers of an image: which of them exposed a port. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from pytest_exposed.ports import Port, Ports
from pytest_exposed.text import printable


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


def shown(command: str) -> str:
    """Return the command of a layer, as short as fits into a line."""
    return printable(command.removeprefix("/bin/sh -c #(nop)").strip(), 60)
