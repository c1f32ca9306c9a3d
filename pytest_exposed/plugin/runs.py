"""The tests of containers that the run starts."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Any

from pytest_exposed.audit.results import FoundRecord, of_run
from pytest_exposed.errors import EngineError, ObservationError
from pytest_exposed.plugin.items import JudgedItem
from pytest_exposed.plugin.progress import live
from pytest_exposed.report import record
from pytest_exposed.rules.baseline import key

if TYPE_CHECKING:
    from typing_extensions import Unpack  # typing's came with Python 3.11

    from pytest_exposed.audit.running.plan import Planned

_NOTHING = "it listened on nothing, and its image documents nothing: no port was judged"

_ENDING = ("SIGTERM", "SIGHUP")
"""Signals that end a run: SIGTERM is that of CI, SIGHUP that of a terminal which is closed."""


class RunItem(JudgedItem):
    """The test of one container that the run starts, and removes."""

    def __init__(self, *, planned: Planned, **rest: Any) -> None:
        super().__init__(**rest)
        self.planned = planned

    def reportinfo(self) -> tuple[Any, int, str]:
        """Return what it is for other tests; the heading is of an image."""
        return (*super().reportinfo()[:2], f"image {self.name}")

    def runtest(self) -> None:
        """Pass where the container matches its image; fail with findings, or why it ended."""
        image = self.planned.image
        self.describe(image)
        try:
            with _interrupting(), live(self.config, self) as show:
                listed, answer = self.audit.run(self.planned, show)
        except EngineError as error:
            self._keep(record=record.of_unstarted(image, str(error)))
            raise
        if isinstance(answer, ObservationError):
            unseen = record.of_unseen(listed, str(answer)) if listed else None
            self._keep(record=unseen or record.of_unstarted(image, str(answer)))
            raise answer
        dockerfile, notes = self.audit.settings.dockerfile, answer.notes
        if dockerfile is not None:
            answer = dockerfile.pointed_at(answer)
        answer, own = replace(answer, name=self.name), answer  # with a number, where it has one
        found = self.found_in(answer, dockerfile)
        found["unsure"] += answer.notes[len(notes) :]  # on a file that may be another image's
        if not (answer.listeners or answer.documented or answer.published):
            found["unsure"].append(_NOTHING)
        found["key"] = key(own.name, own.labels, own.image.id)
        found["waited"] = self.audit.waited.get(answer.id, 0)
        self._keep(**found)
        self.judge(answer)

    def _keep(self, **found: Unpack[FoundRecord]) -> None:
        found["record"]["started_by_run"] = True
        found["record"]["name"] = self.name  # with a number, where an image has several tests
        self.record = of_run(self.audit.label, self.name, **found)


@contextmanager
def _interrupting() -> Iterator[None]:
    """Make signals that would kill the process interrupt the block as Ctrl-C does.

    A suite's own handlers stay.
    """
    ours = []
    if threading.current_thread() is threading.main_thread():  # no other can set a handler
        known = [getattr(signal, x) for x in _ENDING if hasattr(signal, x)]
        ours = [x for x in known if signal.getsignal(x) == signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _interrupt(number: int, frame: FrameType | None) -> None:
    del frame
    signal.signal(number, signal.SIG_IGN)  # a second one doesn't end the removal
    raise KeyboardInterrupt(signal.Signals(number).name)
