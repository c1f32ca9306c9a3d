"""One container that a run starts: started by the docker command, removed in every case."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import uuid4

from pytest_exposed.audit.running.command import CommandError, DockerCommand, end, output
from pytest_exposed.engine.owner import has_ended, this_process
from pytest_exposed.text import printable
from pytest_exposed.unpatched import monotonic, pause

LABEL = "pytest-exposed.run"
"""What marks such containers: boot, pid namespace, pid and start time of their process, and a word
of their own."""

_PREFIX = "exposed-run-"
"""What their names begin with, unless --name gives another; the word of their own follows."""

_LONGEST = 1800.0
"""Seconds that a start may take, with the pull of an image."""

_LATE = 3.0
"""Seconds for which a container may still appear, or go, that somebody else starts or removes."""


class RunContainer:
    """A container of `docker run`: at most one, whatever happens."""

    def __init__(self, command: DockerCommand, words: Sequence[str]) -> None:
        """Take the words behind `docker run`; nothing is started yet."""
        self._command = command
        self._words = words
        self._token = uuid4().hex[:12]
        self._label = f"{LABEL}={this_process()} {self._token}"
        self._begun = False
        self._complete = False
        self._id = ""

    def start(self, show: Callable[[float], object]) -> str:
        """Start it and return its id; CommandError has the docker command's words.

        show is called with the seconds that it has taken so far.
        """
        self._begun = True
        own = ("--detach", "--label", self._label, "--name", f"{_PREFIX}{self._token}")
        process = self._command.begin(["run", *own, *self._words])
        try:
            printed = output(process, _LONGEST, show)
        finally:
            self._complete = process.poll() is not None
            end(process)
        identity = printed.strip().rpartition("\n")[2]
        if not re.fullmatch("[0-9a-f]{64}", identity):
            said = printable(printed.strip().partition("\n")[0], 200)
            raise CommandError(f"the docker command printed no container's id, but {said!r}")
        self._id = identity
        return identity

    def remove(self) -> str | None:
        """Remove it with its anonymous volumes, if there is one; return a line where it is left.

        An interrupt meanwhile is raised when that is done.
        """
        if not self._begun:
            return None
        interrupt: BaseException | None = None
        for _ in range(3):
            try:
                left = self._remove()
                break
            except (KeyboardInterrupt, SystemExit) as error:
                interrupt = error
        else:
            left = "it was interrupted"
        self._begun = left is not None
        if interrupt is not None:
            raise interrupt
        if left is None:
            return None
        return (
            f"a container that this run started may be left: {left}; remove it by "
            f"{self._command.program} rm -f -v {self._id[:12] or f'{_PREFIX}{self._token}'}"
        )

    def _remove(self) -> str | None:
        """Return None where it is gone, or why that is not known."""
        deadline = monotonic() + _LATE
        try:
            # One whose start was given up can appear a moment later.
            while not (found := labelled(self._command, self._label)) and not self._complete:
                if monotonic() > deadline:
                    return None
                pause(0.2)
            # A --label of the user's may have taken the place of ours.
            remove(self._command, list({*found, self._id} - {""}))
        except CommandError as error:
            return str(error)
        return None


def labelled(command: DockerCommand, label: str) -> list[str]:
    """Return the ids of containers that have a label; raises CommandError."""
    return command.ask("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={label}").split()


def remove(command: DockerCommand, ids: Sequence[str]) -> None:
    """Remove containers and their anonymous volumes; CommandError where one may be left."""
    if not ids:
        return
    with suppress(CommandError):  # one that has ended
        # Podman's removal asks a container to stop, and waits for ten seconds.
        command.ask("kill", *ids)
    try:
        command.ask("rm", "--force", "--volumes", *ids)
    except CommandError:
        deadline = monotonic() + _LATE
        while left := set(command.ask("ps", "--all", "--quiet", "--no-trunc").split()) & set(ids):
            if monotonic() > deadline:
                command.ask("rm", "--force", "--volumes", *left)
                return
            pause(0.5)  # somebody else removes it, or --rm does


def remove_leftovers(command: DockerCommand) -> None:
    """Remove what killed runs left on an engine: containers whose process has ended."""
    with suppress(CommandError):  # the run itself will say that the engine doesn't answer
        remove(command, [x for x in labelled(command, LABEL) if _is_left(command, x)])


def _is_left(command: DockerCommand, identity: str) -> bool:
    """Return whether a container was started by a run that has ended.

    An image that was committed from such a one hands its label down to containers of others: the
    name distinguishes them; where --name gave it another, the image's own label does.
    """
    # Not by `ps --format`: podman's before 5 doesn't know a single label.
    form = f'{{{{.Image}}}} {{{{.Name}}}} {{{{index .Config.Labels "{LABEL}"}}}}'
    try:
        found = command.ask("container", "inspect", "--format", form, identity).strip()
    except CommandError:  # somebody else has removed it
        return False
    image, name, label = (found.split(" ", 2) + [""] * 2)[:3]
    owner, _, token = label.rpartition(" ")
    if not has_ended(owner):
        return False
    return name.lstrip("/") == f"{_PREFIX}{token}" or label not in _labels_of(command, image)


def _labels_of(command: DockerCommand, image: str) -> str:
    """Return the labels of an image, as JSON."""
    return command.ask("image", "inspect", "--format", "{{json .Config.Labels}}", image)
