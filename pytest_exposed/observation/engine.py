"""An engine: its containers as observed snapshots, and its images."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from pytest_exposed.engine.calls import timeout_of
from pytest_exposed.engine.hosts import Given, resolve
from pytest_exposed.errors import ConfigurationError, HelperLeftWarning
from pytest_exposed.model import Container, Image
from pytest_exposed.observation.observe import DOCUMENTED, Observer
from pytest_exposed.rules.acceptance import Acceptance, waivers_of
from pytest_exposed.rules.baseline import read
from pytest_exposed.rules.selection import select as rules_of
from pytest_exposed.rules.selection import split
from pytest_exposed.sockets.chain import SOURCES
from pytest_exposed.unpatched import real_files

if TYPE_CHECKING:
    from typing_extensions import Self  # typing's came with Python 3.11


class Engine:
    """One docker engine, read-only; a context manager that closes its connections.

    host is an address (unix://, tcp://, ssh://, npipe://, http(s)://) or the name of a docker
    context; None is the default one, in the docker CLI's order. source is auto,
    netlink, procfs, helper or exec; helper_image the image of the helper container.
    select and ignore are rules and groups that snapshots are judged by, names or comma-separated
    ones; warn are those whose findings are warnings, "none" for no warning at all; documented is
    what counts as documentation: "image", or "run" for what the container declares as well;
    allow are waivers, `CONTAINER-GLOB: RULE-OR-PORT, … [until YYYY-MM-DD] [# reason]`, or lines of
    them; allow_labels lets images and containers have waivers of their own; baseline is a file of
    accepted findings. Raises ConfigurationError for what can't be one of these, EngineError
    where no engine answers.
    """

    def __init__(
        self,
        host: Given = None,
        *,
        source: str = "auto",
        select: str | Sequence[str] = (),
        ignore: str | Sequence[str] = (),
        warn: str | Sequence[str] = (),
        documented: str = "image",
        helper_image: str | None = None,
        allow: str | Sequence[str] = (),
        allow_labels: bool = False,
        baseline: str | Path | None = None,
        timeout: float | None = None,
    ) -> None:
        """Connect to the engine; timeout, in seconds, bounds each answer of it as a whole."""
        try:
            with real_files():
                where = resolve(host)
        except ConfigurationError as error:
            raise error.with_traceback(None) from None
        finally:
            # It can hold a password, and pytest shows the arguments of functions.
            del host
        if source not in SOURCES:
            raise ConfigurationError(
                f"{source!r} is not a source of sockets: choose one of {', '.join(SOURCES)}"
            )
        if documented not in DOCUMENTED:
            raise ConfigurationError(f"documented={documented!r} is neither 'image' nor 'run'")
        lines = allow.splitlines() if isinstance(allow, str) else allow
        self.observer = Observer(
            where,
            source=source,
            rules=rules_of(split(select), split(ignore), split(warn)),
            acceptance=Acceptance(
                waivers_of([x for x in lines if x.strip()]),
                allow_labels,
                read(Path(baseline)) if baseline is not None else frozenset(),
            ),
            helper_image=helper_image,
            timeout=timeout_of(timeout),
            at_run=documented == "run",
        )
        """What the rest of the package asks it; not for users."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._close()

    def __repr__(self) -> str:
        return f"Engine({self.host!r})"

    def close(self) -> None:
        """Remove the helper container, if there is one, and close the connections to the engine.

        Warns with a HelperLeftWarning where it may be left.
        """
        self._close()

    def _close(self) -> None:
        if left := self.observer.close():
            warnings.warn(HelperLeftWarning(left), stacklevel=3)

    @property
    def host(self) -> str:
        """The engine's address, without user info."""
        return self.observer.host

    @property
    def label(self) -> str:
        """A short name of the engine, as in test ids."""
        return self.observer.label

    def container(self, container: object) -> Container:
        """Return a snapshot of a container: a name, an id or its beginning, a service, an object.

        Raises NotFoundError where there is none or several, NotRunningError where it doesn't run,
        ObservationError where its sockets can't be seen.
        """
        listed, everyone = self.observer.find(container)
        return self.observer.snapshots([listed], everyone)[0]

    def tasks(self, container: object) -> list[Container]:
        """Return snapshots of the running tasks of a Swarm service; of anything else, as container.

        They are those on this engine: other nodes of the swarm have engines of their own.
        """
        return self.observer.snapshots(*self.observer.find_tasks(container))

    def containers(self, **filters: str | Sequence[str]) -> list[Container]:
        """Return snapshots of the running containers, sorted by name; filters are Docker's own.

        For example `containers(label="tier=front", name=["web", "db"])`. Raises ObservationError
        where the sockets of one can't be seen.
        """
        wanted = {k: _filter_values(k, v) for k, v in filters.items()}
        everyone = self.observer.running()
        chosen = self.observer.ids(wanted) if wanted else {x.id for x in everyone}
        chosen -= {x.id for x in everyone if not x.is_users}
        return self.observer.snapshots([x for x in everyone if x.id in chosen], everyone)

    def image(self, image: object) -> Image:
        """Return an image: by name, by id, or by an object of the docker SDK or of ours.

        Raises NotFoundError where the engine has none of that name.
        """
        return self.observer.images.find(image)


def _filter_values(name: str, given: object) -> list[str]:
    """Return the values of one of Docker's filters; ConfigurationError if they are no strings."""
    values = list(given) if isinstance(given, (list, tuple, set, frozenset)) else [given]
    texts = [x for x in values if isinstance(x, str)]
    if not texts or len(texts) < len(values):
        raise ConfigurationError(f"{name}={given!r} is not a filter: give a string, or several")
    return texts
