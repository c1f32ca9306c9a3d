"""The sources that see a container's sockets, and the order in which they are tried."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pytest_exposed.errors import ObservationError
from pytest_exposed.model import Process
from pytest_exposed.sockets import netlink, procfs
from pytest_exposed.sockets.local import Local, Read
from pytest_exposed.sockets.reading import Reading, Target

LOCAL: dict[str, Read] = {"netlink": netlink.sockets, "procfs": procfs.sockets}
"""The sources that need this kernel, best first."""

SOURCES = ("auto", *LOCAL)


class Look:
    """One look at containers of an engine: asks each source in turn for those not yet seen."""

    def __init__(self, source: str, ids: Collection[str]) -> None:
        """Prepare to look with source, "auto" for all; ids are all running containers' ids."""
        self._sources = [x for x in LOCAL if source in ("auto", x)]
        self._ids = ids
        self._local: Local | None = None

    def observe(self, targets: Iterable[Target]) -> dict[str, Reading | ObservationError]:
        """Return a reading of each target by the first source that sees it, or why none does."""
        answers: dict[str, Reading | ObservationError] = {}
        reasons: dict[str, list[str]] = {x.id: [] for x in targets}
        missing = list(targets)
        try:
            self._local = Local(self._ids)
        except OSError as error:
            why = f"there is no /proc here ({error.strerror}): it needs Linux, on the engine's host"
            for found in reasons.values():
                found += [f"{source}: {why}" for source in self._sources]
            missing = []
        for source in self._sources:
            if not missing or self._local is None:
                break
            for key, answer in self._local.observe(missing, source, LOCAL[source]).items():
                if isinstance(answer, Reading):
                    answers[key] = answer
                else:
                    reasons[key].append(f"{source}: {answer}")
            missing = [x for x in missing if x.id not in answers]
        for key, found in reasons.items():
            if key not in answers:
                answers[key] = ObservationError("\n".join(found))
        return answers

    def owners(self, container: str, inodes: Collection[int]) -> dict[int, tuple[Process, ...]]:
        """Return the processes of a container that hold each of the sockets, as far as visible."""
        return self._local.owners(container, inodes) if self._local is not None else {}
