"""The audit of one engine: its containers as listed once, and what was seen of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_exposed.audit.settings import Settings
from pytest_exposed.engine.hosts import Given, from_plain, plain
from pytest_exposed.engine.json_fields import JsonObject
from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import EngineError, GoneError
from pytest_exposed.model import Observed
from pytest_exposed.observation import Engine
from pytest_exposed.observation.grace import settle
from pytest_exposed.text import did_you_mean, plural, printable
from pytest_exposed.unpatched import monotonic
from pytest_exposed.values import dataclass

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pytest_exposed.audit.running.plan import Planned
    from pytest_exposed.audit.running.runner import Runner
    from pytest_exposed.observation.watch import Watch

T = TypeVar("T")

# A list that is older than this many seconds is taken again before containers are judged by it.
_FRESH = 1.0

_MOST_STOPPED = 5
"""Containers that don't run whose names are shown."""


def _ended(listed: Listed, *, alone: bool) -> str:
    """Return how a container that doesn't run ended: "exited 137", or its state.

    Swarm keeps some tasks that it has replaced. alone says that it can't be started any more.
    """
    more = ", in the network of a container that was removed: create it anew" if alone else ""
    code = listed.exit_code
    task = "task, " if listed.service is not None and listed.service.id else ""
    return task + printable(listed.state if code is None else f"{listed.state} {code}") + more


class Done(Generic[T]):
    """The result of work done in this thread, read like a Future's, which takes long to import."""

    def __init__(self, work: Callable[[], T]) -> None:
        """Do the work; result() raises again what it raises."""
        self._results: list[T] = []
        self._error: Exception | None = None
        try:
            self._results.append(work())
        except Exception as error:  # noqa: BLE001
            self._error = error

    def done(self) -> bool:
        """Return true: the work is done."""
        return True

    def result(self) -> T:
        """Return what the work returned, or raise what it raised."""
        if self._error is not None:
            raise self._error
        return self._results[0]


@dataclass(slots=True)
class HostAudit:
    """The audit of one engine: its containers as listed once, and what was seen of them."""

    host: Given = field(repr=False)  # it can hold a password
    settings: Settings
    label: str
    shown: str
    error: str | None = None
    everyone: list[Listed] = field(default_factory=list)
    wanted: list[Listed] = field(default_factory=list)
    not_running: list[Listed] = field(default_factory=list)
    """The filtered containers that don't run; known only in the process that began the audit."""
    stopped: list[Listed] = field(default_factory=list)
    """All containers that don't run, where something is accepted; known as not_running is."""
    _alone: set[str] = field(default_factory=set)
    """Those of the first that don't run whose network's owner was removed, by id."""
    _records: list[JsonObject] = field(default_factory=list)
    _listed_at: float = 0
    _looked_at: float = 0
    _now: dict[str, Listed] = field(default_factory=dict)
    """Each container as it was listed last, by its id."""
    _engine: Engine | None = None
    _closed: bool = False
    waited: dict[str, float] = field(default_factory=dict)
    """Seconds that each young container was waited for, by its id."""
    young: dict[str, bool] = field(default_factory=dict)
    """Whether each container was judged before its grace was over, by its id."""
    runs: list[Planned] = field(default_factory=list)
    """The containers to start on it."""
    _runner: Runner | None = None
    show: Callable[[str], object] = field(default=lambda _: None)
    """Shows what is waited for, in the terminal."""
    _watch: Watch | None = None
    observation: Future[dict[str, Observed]] | Done[dict[str, Observed]] | None = None
    """The one observation of all containers whose tests run."""

    def begin(self) -> None:
        """Reach the engine and list its containers; a failure is kept as the audit's error.

        Raises ConfigurationError for a filter that the engine refuses, and where containers are to
        be started without a docker command.
        """
        try:
            observer = self.engine().observer
            if self.settings.runs:
                self.runs = self._starter().plan()
            self._list(observer.records())
            if self.settings.audits_running:
                self.wanted = [x for x in self.everyone if x.is_users]
            if self.settings.filters:
                chosen = observer.ids(self.settings.filters)
                self.wanted = [x for x in self.wanted if x.id in chosen]
            if self.settings.audits_running:
                self.not_running = observer.not_running(self.settings.filters)
                shown = self.not_running[:_MOST_STOPPED]
                self._alone = {x.id for x in shown if observer.has_lost_network(x)}
            if self.settings.accepts:
                whole = self.settings.audits_running and not self.settings.filters
                self.stopped = self.not_running if whole else observer.not_running({})
        except EngineError as error:
            self.error = str(error)
        if self._closed:  # by an interrupt
            self.close()

    def _list(self, records: list[JsonObject]) -> None:
        self._records, self._listed_at = records, monotonic()
        self.everyone = self.engine().observer.parse(records)
        self._now |= {x.id: x for x in self.everyone}

    def dump(self) -> str:
        """Return the audit as text, for a worker process that runs the same tests."""
        wanted = [x.id for x in self.wanted]
        own = [plain(self.host), self.label, self.shown, self.error]
        return json.dumps([own, self._records, wanted, [x.image for x in self.runs]])

    @classmethod
    def load(cls, text: str, settings: Settings) -> HostAudit:
        """Return the audit that another process dumped."""
        (host, *own), records, wanted, images = json.loads(text)
        audit = cls(from_plain(host), settings, *own)
        audit._records = records
        audit.everyone = [Listed.from_record(x) for x in records]
        audit.wanted = [x for x in audit.everyone if x.id in set(wanted)]
        if images:
            from pytest_exposed.audit.running.plan import Planned  # noqa: PLC0415  # rarely used

            audit.runs = list(map(Planned, settings.runs, images))
        return audit

    def names(self) -> list[str]:
        """Return the names of the containers' tests."""
        names = [printable(x.name) for x in self.wanted]
        times = Counter(names)
        # Names are unique on an engine; should one say otherwise, the id is added.
        return [
            name if times[name] == 1 else f"{name}@{listed.id[:12]}"
            for name, listed in zip(names, self.wanted, strict=True)
        ]

    def names_of_runs(self) -> list[str]:
        """Return the names of the tests of containers to start: those of their images."""
        taken = Counter(self.names())
        names = []
        for planned in self.runs:
            name = printable(planned.image)
            taken[name] += 1
            names.append(name if taken[name] == 1 else f"{name}#{taken[name]}")
        return names

    def header(self) -> str:
        """Return the header's line: the engine, and how many containers there are."""
        if self.error is not None:
            return f"{self.shown}, not reached"
        filters = [f"{k}={v}" for k, values in self.settings.filters.items() for v in values]
        match = "matches" if len(self.wanted) == 1 else "match"
        matching = f" that {match} {printable(' '.join(filters))}" if filters else ""
        none = not self.wanted and not self.not_running
        if none and "name" in self.settings.filters:
            names = [x.name for x in self.everyone if x.is_users]
            near = did_you_mean(self.settings.filters["name"][0], names)
            matching += f" ({near[2:]})" if near else ""
        elif not self.wanted and "status" in self.settings.filters:
            matching += " (an audit is of those that run)"
        parts = []
        if self.settings.audits_running:
            parts.append(f"{plural(len(self.wanted), 'running container')}{matching}")
        if self.not_running:
            parts.append(self.stopped_line())
        if self.runs:
            each = "it has" if len(self.runs) == 1 else "each has"
            time = f"{each} {self.settings.grace_of_runs:g} s to settle"
            parts.append(f"{plural(len(self.runs), 'container')} to start ({time})")
        return ", ".join([self.shown, *parts])

    def stopped_line(self) -> str:
        """Return how many containers don't run, and the names of the first."""
        number, shown = len(self.not_running), self.not_running[:_MOST_STOPPED]
        names = [f"{printable(x.name)} ({_ended(x, alone=x.id in self._alone)})" for x in shown]
        names += [f"{number - _MOST_STOPPED} more"] if number > _MOST_STOPPED else []
        that = "that doesn't run" if number == 1 else "that don't run"
        return f"{number} {that}: {', '.join(names)}"

    def engine(self) -> Engine:
        """Return the engine, connecting at the first call; raises EngineError."""
        if self._engine is None:
            self._engine = self.settings.connect(self.host)
        return self._engine

    def close(self) -> list[str]:
        """Remove what was started, and close the connection; return lines on what may be left."""
        self._closed = True
        left = self._runner.close() if self._runner is not None else []
        engine, self._engine = self._engine, None
        helper = engine.observer.close(sweep=True) if engine is not None else None
        return left if helper is None else [*left, helper]

    def run(
        self, planned: Planned, show: Callable[[str], object]
    ) -> tuple[Listed | None, Observed]:
        """Start a container on the engine: see Runner.run."""
        return self._starter().run(planned, self.engine().observer, show)

    def _starter(self) -> Runner:
        """Return the runner of containers; ConfigurationError where there is no docker command."""
        if self._runner is None:
            from pytest_exposed.audit.running.command import DockerCommand  # noqa: PLC0415  # rare
            from pytest_exposed.audit.running.runner import Runner  # noqa: PLC0415

            self._runner = Runner(DockerCommand.of(self.host), self.settings, self.waited)
        return self._runner

    def observe(self, chosen: Sequence[Listed]) -> dict[str, Observed]:
        """Look at all chosen containers at once; raises EngineError."""
        observer = self.engine().observer
        if monotonic() - self._listed_at > _FRESH:
            self._list(observer.records())
        fresh = [self._now.get(x.id, x) for x in chosen]
        if self.settings.watch:
            from pytest_exposed.observation.watch import Watch, watch  # noqa: PLC0415  # rarely used

            self._watch = Watch(observer)
            watch(self._watch, fresh, self.settings.watch, self.show)
            self._list(observer.records())
            fresh = [self._now.get(x.id, x) for x in chosen]
            self._watch.note_restarts(fresh)
        self._looked_at = monotonic()
        return observer.observe(fresh, self.everyone, owners=self.settings.shows_all)

    def answer(
        self, listed: Listed, show: Callable[[str], object], *, again: bool = False
    ) -> Observed:
        """Return what was found of a chosen container; raises EngineError.

        A container too young to be judged is observed again until it has settled or its grace is
        over; show is called with what is waited for. It is also observed again when its test runs
        again.
        """
        assert self.observation is not None
        observer, settings = self.engine().observer, self.settings
        owners, waited = settings.shows_all, 0.0
        if again:
            everyone = observer.running()
            now = next((x for x in everyone if x.id == listed.id), listed)
            answer = observer.observe([now], everyone, owners=owners)[listed.id]
        else:
            answer = self.observation.result()[listed.id]
            now = self._now.get(listed.id, listed)
            waited = monotonic() - self._looked_at
        began, whole = monotonic(), 0.0
        try:
            settled = settle(
                observer, now, answer, settings.grace, owners=owners, waited=waited, show=show
            )
            self.young[listed.id] = settled.is_young
            whole = settled.waited  # in part while others were waited for
            if self._watch is None:
                return settled.answer
            if isinstance(settled.answer, GoneError):
                return self._watch.of_gone(listed.id) or settled.answer
            return self._watch.merged(settled.answer)
        finally:
            self.waited[listed.id] = max(monotonic() - began, whole)
