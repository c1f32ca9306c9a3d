"""The sources in order. Each is asked for the containers that the sources before it did not see."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, cast

from pytest_exposed.errors import ExposedError, ObservationError
from pytest_exposed.model import Process
from pytest_exposed.sockets.reading import (
    OutsideItsNetnsError,
    Remote,
    SocketSnapshot,
    SocketSnapshots,
    Target,
    reason_of,
)
from pytest_exposed.sockets.source import Shared, Source

if TYPE_CHECKING:
    from pytest_exposed.sockets.kept import Kept

LOCAL = ("netlink", "procfs")
"""Sources that read this kernel, as far as this user's rights reach. Each is a module."""

REMOTE = ("helper", "exec")
"""Sources that run a process on the engine."""

ORDER = (*LOCAL, *REMOTE)
"""Best first: the kernel's answer, its world-readable files, a helper's view, an image's claim."""

SOURCES = ("auto", *ORDER)
"""The values of --exposed-source."""


def source_of(name: str) -> Source:
    """Return the source of a name. Only sources that are used are imported."""
    return cast("Source", import_module(f"pytest_exposed.sockets.{name}"))


class SourceChain:
    """Asks each source in turn for the containers of one observation that are not yet seen."""

    def __init__(
        self, source: str, ids: Collection[str], remote: Remote, kept: Kept | None = None
    ) -> None:
        """Ask one source, or all for "auto"; ids are the ids of all running containers."""
        self._sources = [x for x in ORDER if source in ("auto", x)]
        self._shared = Shared(ids, remote, kept)

    def observe(
        self,
        targets: Iterable[Target],
        *,
        runs: Callable[[Target], bool],
        elsewhere: Collection[str] = (),
    ) -> SocketSnapshots:
        """Return each target's sockets by the first source that sees them, or why none does.

        runs asks the engine whether a container still runs. elsewhere are the ids of containers
        with a kernel of their own: only exec can see into these.
        """
        answers: SocketSnapshots = {}
        missing = list(targets)
        settled: set[str] = set()
        reasons: dict[str, list[str]] = {x.id: [] for x in missing}
        for source in self._sources:
            if source == "helper" and answers:
                # The others were seen on this kernel. What was not has most likely just ended,
                # which is no reason to start a helper.
                missing = [x for x in missing if runs(x)]
            asked = []
            for target in missing:
                if source == "exec" or target.id not in elsewhere:
                    asked.append(target)
                else:
                    why = "its runtime keeps its sockets in a kernel of its own"
                    reasons[target.id].append(f"{source}: {why}: only exec can see them")
            for key, answer in self._ask(source, asked).items() if asked else ():
                if isinstance(answer, SocketSnapshot):
                    answers[key] = answer
                else:
                    reasons[key].append(f"{source}: {answer}")
                    if isinstance(answer, OutsideItsNetnsError):
                        # Only exec sees the namespace that such a process is in now.
                        settled.add(key)
            missing = [x for x in missing if x.id not in answers and x.id not in settled]
        for identity, lines in reasons.items():
            if identity not in answers:
                answers[identity] = ObservationError("\n".join(lines))
        return answers

    def _ask(self, source: str, targets: Sequence[Target]) -> SocketSnapshots:
        """Return what a source sees. An error that it raises is the reason for all targets."""
        try:
            return self._asked(source, targets)
        except Exception as error:
            if source in REMOTE and isinstance(error, ExposedError):
                raise  # the engine is lost: no source can answer
            why = reason_of(error)
            return {x.id: why for x in targets}

    def _asked(self, source: str, targets: Sequence[Target]) -> SocketSnapshots:
        return source_of(source).observe(targets, self._shared)

    def owners(self, container: str, inodes: Collection[int]) -> dict[int, tuple[Process, ...]]:
        """Return the processes of a container that hold each of the sockets, as far as visible."""
        if self._shared.local is None:
            return {}
        try:
            return self._shared.local.owners(container, inodes)
        except Exception as error:  # noqa: BLE001  # as of a source
            reason_of(error)
            return {}
