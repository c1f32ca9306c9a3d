"""What a run starts on one engine: planned, started one by one, and removed in every case."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import field

from pytest_exposed.audit.running.command import CommandError, DockerCommand
from pytest_exposed.audit.running.container import RunContainer, remove_leftovers
from pytest_exposed.audit.running.plan import Planned, image_of
from pytest_exposed.audit.running.settled import started_at, wait_until_settled
from pytest_exposed.audit.settings import Settings
from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import ConfigurationError, EngineError, NotFoundError
from pytest_exposed.model import Container, Observed
from pytest_exposed.observation.diagnosis import has_restarted
from pytest_exposed.observation.observe import Observer
from pytest_exposed.observation.watch import Watch, watch
from pytest_exposed.text import printable
from pytest_exposed.unpatched import monotonic
from pytest_exposed.values import dataclass

_LONG = 10.0
"""Seconds that a wait is told from: most containers settle in fewer, on a busy machine too."""


@dataclass(slots=True)
class Runner:
    """Starts the containers of a run's settings by the docker command of one engine."""

    command: DockerCommand
    settings: Settings
    waited: dict[str, float]
    """Seconds that were waited for containers that took long to settle, by their ids."""
    _started: list[RunContainer] = field(default_factory=list)
    _left: list[str] = field(default_factory=list)

    def plan(self) -> list[Planned]:
        """Remove what killed runs left, and return what is to be started.

        Raises ConfigurationError where no image is named, or an option doesn't go with it.
        """
        remove_leftovers(self.command)
        options = self.command.ask("run", "--help")
        planned = [Planned(x, image_of(x, options)) for x in self.settings.runs]
        names = list(dict.fromkeys(printable(x.image) for x in planned))
        if self.settings.dockerfile is not None and len(names) > 1:
            raise ConfigurationError(
                f"--exposed-dockerfile is of one image, and these are run: {', '.join(names)}; "
                "give each image a run of its own, or leave it out"
            )
        return planned

    def run(
        self, planned: Planned, observer: Observer, show: Callable[[str], object]
    ) -> tuple[Listed | None, Observed]:
        """Start a container, and return it as listed and seen when it has settled; it is removed.

        show is called with what is waited for. Raises EngineError where it can't be started.
        """
        container = RunContainer(self.command, planned.words)
        image = printable(planned.image)
        self._started.append(container)
        try:
            show(f"starting {image} …")
            started = container.start(lambda x: show(f"starting {image} for {x:.0f} s …"))
            grace = self.settings.grace_of_runs
            watched, began = Watch(observer), monotonic()
            listed, answer = wait_until_settled(
                observer, started, planned.image, grace, show=show, watch=watched
            )
            waited = monotonic() - began
            self.waited[started] = waited if waited >= min(grace, _LONG) else 0
            if self.settings.watch and listed is not None and isinstance(answer, Container):
                life = started_at(observer, listed)
                watch(watched, [listed], self.settings.watch, show)
                # It had settled: one look, as it is now.
                listed, answer = wait_until_settled(
                    observer, started, planned.image, 0, show=show, watch=watched
                )
                if listed is not None and life not in (None, started_at(observer, listed)):
                    answer = has_restarted(observer, listed)
            return listed, watched.merged(answer) if self.settings.watch else answer
        except CommandError as error:
            # Behind an unknown option, a word of its value may be taken for the image.
            is_option = "unknown flag" in str(error) or "unknown shorthand flag" in str(error)
            missing = "" if is_option else _missing(observer, planned.image)
            why = f"{_misplaced(planned, str(error))}{missing}{error}"
            raise EngineError(f"{image} could not be started: {why}") from None
        finally:
            self._remove_started()

    def close(self) -> list[str]:
        """Remove what is there still; return a line for each container that may be left."""
        self._remove_started()
        left, self._left = self._left, []
        return left

    def _remove_started(self) -> None:
        for container in tuple(self._started):
            if line := container.remove():
                self._left.append(line)
            self._started.remove(container)


def _misplaced(planned: Planned, said: str) -> str:
    """Return where an option belongs that docker could not use there; empty for none."""
    for word in planned.words:
        option = word.partition("=")[0]
        if option.startswith(("--exposed", "--docker-host")) and option in said:
            return f"{printable(option)} is an option of pytest: write it outside of these quotes; "
    for word in planned.words if "executable file" in said else ():
        if word.startswith("-") and re.search(f'["`]{re.escape(word)}["`]', said):
            return f"options of docker run stand before the image, {printable(word)} among them; "
    return ""


def _missing(observer: Observer, image: str) -> str:
    """Return that an engine doesn't have an image, and the nearest; empty where it may have it."""
    try:
        observer.images.find(image)
    except NotFoundError as error:
        return f"{error}; "
    except (EngineError, ConfigurationError):
        pass
    return ""
