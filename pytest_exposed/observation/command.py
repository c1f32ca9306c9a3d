"""Whether a container runs the command of its image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_exposed.errors import EngineError, ObservationError
from pytest_exposed.model import CommandOverride, Container, Image
from pytest_exposed.model.services import made_by_molecule
from pytest_exposed.observation.scene import Scene
from pytest_exposed.text import printable

_LOOP = ("bash", "-c", "while true; do sleep 10000; done")
"""The command that Molecule's default override_command sets: create.yml of the docker and podman
drivers in molecule-plugins."""

_ARGUMENTS = "arguments"


def override_of(container: Container, scene: Scene) -> CommandOverride | None:
    """Return what a container of a scene runs instead of its image's command.

    An inspection is made only where the list's line differs from the image's command. Podman's list
    leaves out entrypoints, but its containers have been inspected: see complete.py.
    """
    if container.is_infra:  # what holds a pod's network is in no image's place
        return None
    listed = scene.containers[container.id]
    if scene.inspections.known(listed.id) is None and is_own(listed.command, container.image):
        return None
    try:
        command = scene.inspections.of(listed).command
    except (EngineError, ObservationError):  # only a hint depends on it
        return None
    return substitute(command, container.image, container.labels)


def substitute(
    command: Sequence[str], image: Image, labels: Mapping[str, str]
) -> CommandOverride | None:
    """Return what a container runs instead of its image's command; None where it runs that.

    command includes the entrypoint; the result is None where the engine gives none. Arguments for
    an image without a command replace nothing. Only programs are named: arguments can be secret.
    """
    if not any(command):
        return None
    written = (*image.entrypoint, *image.command)
    begins = tuple(command[: len(image.entrypoint)]) == image.entrypoint
    # An init process, which --init and podman put before it, replaces nothing either.
    if _is_same(command, written):
        return None
    if begins and not image.command:
        return None
    usual = _program(image.command if begins else written)
    now = _program(command[len(image.entrypoint) :] if begins else command)
    if made_by_molecule(labels) and tuple(command[-len(_LOOP) :]) == _LOOP:
        return CommandOverride(
            f"Molecule's sleep loop instead of its image's {usual} (override_command)",
            "start its service in converge.yml, or set override_command: false in molecule.yml",
        )
    if _is_program(now, usual):
        program = _program(command) if now == _ARGUMENTS else now
        return CommandOverride(f"{program} with other arguments than its image does", None)
    return CommandOverride(f"{now} instead of its image's {usual}", None)


def is_own(line: str, image: Image) -> bool:
    """Return whether a line of the engine's list says that a container runs its image's command.

    False proves nothing: an init process may come before it. Nor does True: quotes in words are not
    escaped, so that different words make the same line. Only a hint depends on it.
    """
    words = (*image.entrypoint, *image.command)
    own = _line(words)
    # An image with neither runs whatever it is given; arguments for one with none replace nothing.
    return not words or line == own or (not image.command and line.startswith(f"{own} "))


def _line(words: Sequence[str]) -> str:
    """Return words as dockerd writes them in its list: daemon/container/view.go of moby."""
    return " ".join([*words[:1], *(f"'{x}'" if " " in x else x for x in words[1:])])


def _is_same(command: Sequence[str], written: tuple[str, ...]) -> bool:
    """Return whether a command is the one that is written, behind an init process or not."""
    if tuple(command[-len(written) :]) == written:
        return True
    same = len(command) == len(written) and tuple(command[1:]) == written[1:]
    return same and _is_program(command[0], written[0])


def _is_program(one: str, other: str) -> bool:
    """Return whether two words are one program, as far as known: sh is /bin/sh."""
    return one == other or _name(one) == other or one == _name(other)


def _name(program: str) -> str:
    return program.rpartition("/")[2]


def _program(words: Sequence[str]) -> str:
    first = words[0] if words else ""
    return _ARGUMENTS if not first or first.startswith("-") else printable(first, 40)
