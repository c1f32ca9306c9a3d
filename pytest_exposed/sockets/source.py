"""The interface of a source, and the state that the sources of one observation share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from pytest_exposed.errors import ObservationError
from pytest_exposed.sockets.local import Local, Read
from pytest_exposed.sockets.process import ContainerProcess
from pytest_exposed.sockets.reading import NoProcessError, Remote, SocketSnapshots, Target
from pytest_exposed.values import dataclass

if TYPE_CHECKING:
    from pytest_exposed.sockets.kept import Kept


class Source(Protocol):
    """A way to see sockets. Each is a module; chain.py has their order."""

    @property
    def name(self) -> str:
        """Its name for users, and in the snapshots that it returns."""

    @property
    def needs(self) -> str:
        """What it requires, in words."""

    def observe(self, targets: Sequence[Target], shared: Shared) -> SocketSnapshots:
        """Return the sockets of each target, or the error why it can't see them."""


@dataclass(slots=True)
class Shared:
    """The state that the sources of one observation share."""

    ids: Collection[str]
    """All running containers' ids: a process whose cgroup names two of them is nobody's."""
    engine: Remote
    kept: Kept | None = None
    """Keeps the namespaces open that netlink reads, for a watch."""
    local: Local | None = field(default=None, init=False)
    """The processes on this kernel; None until a source has looked for them."""

    def observe_here(
        self,
        targets: Sequence[Target],
        source: str,
        read: Read,
        ahead: Callable[[Iterable[ContainerProcess]], None] = lambda _: None,
    ) -> SocketSnapshots:
        """Return the targets' sockets, read through their processes on this kernel."""
        try:
            self.local = self.local or Local(self.ids)
        except OSError as error:
            why = ObservationError(
                f"there is no /proc here ({error.strerror}): it needs Linux, on the engine's host"
            )
            return dict.fromkeys((x.id for x in targets), why)
        seen = self.kept.seen if self.kept is not None else None
        answers = self.local.observe(targets, source, read, ahead, seen)
        hidden = [k for k, x in answers.items() if isinstance(x, NoProcessError)]
        if not hidden:
            return answers
        from pytest_exposed.sockets.hidden import why_no_process  # noqa: PLC0415  # rarely used

        return answers | dict.fromkeys(hidden, why_no_process(self.engine))
