"""The sources that see a container's sockets, and the order in which they are tried."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from pytest_exposed.errors import ExposedError, ObservationError
from pytest_exposed.model import Process
from pytest_exposed.sockets import netlink, procfs
from pytest_exposed.sockets.hidden import NoProcessError, why_no_process
from pytest_exposed.sockets.local import Local
from pytest_exposed.sockets.reading import LeftError, Reading, Target, reason_of
from pytest_exposed.sockets.remote import Remote

Readings = dict[str, "Reading | ObservationError"]

ORDER = ("netlink", "procfs", "helper", "exec")
"""Best first: what the kernel says, what it shows to all, to a helper, what an image claims."""

REMOTE = ("helper", "exec")
"""Those that run something on the engine."""

LOCAL = ("netlink", "procfs")
"""Those that see the processes of this kernel, as far as their user may."""

SOURCES = ("auto", *ORDER)


class Look:
    """One look at containers of an engine: asks each source in turn for those not yet seen."""

    def __init__(self, source: str, ids: Collection[str], remote: Remote) -> None:
        """Prepare to look with source, "auto" for all; ids are all running containers' ids."""
        self._sources = [x for x in ORDER if source in ("auto", x)]
        self._ids = ids
        self._remote = remote
        self._local: Local | None = None

    def observe(
        self,
        targets: Iterable[Target],
        *,
        runs: Callable[[Target], bool],
        elsewhere: Collection[str] = (),
    ) -> Readings:
        """Return a reading of each target by the first source that sees it, or why none does.

        runs asks the engine whether a container still runs. elsewhere are the ids of those whose
        sockets are in a kernel of their own: only exec can tell them.
        """
        answers: Readings = {}
        missing = list(targets)
        settled: set[str] = set()
        reasons: dict[str, list[str]] = {x.id: [] for x in missing}
        for source in self._sources:
            if source == "helper" and answers:
                # Others are of this kernel: what could not be seen here has most likely just ended,
                # and is no reason to start anything.
                missing = [x for x in missing if runs(x)]
            asked = []
            for target in missing:
                if source == "exec" or target.id not in elsewhere:
                    asked.append(target)
                else:
                    why = "its runtime keeps its sockets in a kernel of its own"
                    reasons[target.id].append(f"{source}: {why}: only exec can see them")
            for key, answer in self._ask(source, asked).items() if asked else ():
                if isinstance(answer, Reading):
                    answers[key] = answer
                else:
                    reasons[key].append(f"{source}: {answer}")
                    if isinstance(answer, LeftError):
                        # What exec sees in the namespace that it is in now, nothing outside can.
                        settled.add(key)
            missing = [x for x in missing if x.id not in answers and x.id not in settled]
        for identity, told in reasons.items():
            if identity not in answers:
                answers[identity] = ObservationError("\n".join(told))
        return answers

    def _ask(self, source: str, targets: Sequence[Target]) -> Readings:
        """Return what a source sees; what it raises is why it sees none of the targets."""
        try:
            return self._asked(source, targets)
        except Exception as error:
            if source in REMOTE and isinstance(error, ExposedError):
                raise  # an engine that is lost, and with it all that could be asked
            why = reason_of(error)
            return {x.id: why for x in targets}

    def _asked(self, source: str, targets: Sequence[Target]) -> Readings:
        if source == "helper":
            from pytest_exposed.sockets import helper  # noqa: PLC0415  # for few

            return helper.observe(targets, self._ids, self._remote)
        if source == "exec":
            from pytest_exposed.sockets import exec as exec_  # noqa: PLC0415  # for few

            return exec_.observe(targets, self._remote)
        try:
            if self._local is None:
                self._local = Local(self._ids)
        except OSError as error:
            why = ObservationError(
                f"there is no /proc here ({error.strerror}): it needs Linux, on the engine's host"
            )
            return {x.id: why for x in targets}
        if source == "procfs":
            return self._explained(self._local.observe(targets, source, procfs.sockets))
        with netlink.reader() as reader:
            read = self._local.observe(targets, source, reader.sockets, reader.ahead)
        return self._explained(read)

    def _explained(self, answers: Readings) -> Readings:
        """Return answers that say why no process of a container was found."""
        hidden = [k for k, x in answers.items() if isinstance(x, NoProcessError)]
        return answers | dict.fromkeys(hidden, why_no_process(self._remote)) if hidden else answers

    def owners(self, container: str, inodes: Collection[int]) -> dict[int, tuple[Process, ...]]:
        """Return the processes of a container that hold each of the sockets, as far as visible."""
        if self._local is None:
            return {}
        try:
            return self._local.owners(container, inodes)
        except Exception as error:  # noqa: BLE001  # as of a source
            reason_of(error)
            return {}
