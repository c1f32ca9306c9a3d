"""The audit of engines: their containers as listed once, and what was seen of them."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pytest_exposed import together
from pytest_exposed.engine import Engine
from pytest_exposed.engine.hosts import Given, Host, from_plain, plain, resolve
from pytest_exposed.engine.records import Listed
from pytest_exposed.engine.round import Answer
from pytest_exposed.errors import ConfigurationError, EngineError, ExposedError
from pytest_exposed.grace import settle
from pytest_exposed.settings import Settings
from pytest_exposed.text import plural, printable

ROOT = "exposed"
"""What the ids of the audit's tests begin with."""

# A host that took longer to reach has its tests run after those of the others.
_LATE = 1.0
# Where no further host has answered for so many seconds, tests begin without the rest.
_PATIENCE = 1.0
# A list that is older than this many seconds is taken again before containers are judged by it.
_FRESH = 1.0


@dataclass(slots=True)
class HostAudit:
    """The audit of one engine: its containers as listed once, and what was seen of them."""

    host: Given = field(repr=False)  # it can hold a password
    settings: Settings
    label: str
    shown: str
    error: str | None = None
    late: bool = False
    """Whether it took long to be reached: its tests come last, not to delay those of others."""
    awaited: bool = False
    """Whether tests began before it answered: its own are added when it does."""
    everyone: list[Listed] = field(default_factory=list)
    wanted: list[Listed] = field(default_factory=list)
    _records: list[dict[str, Any]] = field(default_factory=list)
    _listed_at: float = 0
    _now: dict[str, Listed] = field(default_factory=dict)
    """The containers as they were when they were looked at, by their ids."""
    _engine: Engine | None = None
    _closed: bool = False
    round: Future[dict[str, Answer]] | None = None
    """The one look at all containers whose tests run."""

    def begin(self) -> None:
        """Reach the engine and list its containers; what fails is kept as the audit's error.

        Raises ConfigurationError for a filter that can't be one.
        """
        began = time.monotonic()
        try:
            engine = self.engine()
            self._list(engine.records())
            self.wanted = self.everyone
            if self.settings.filters:
                chosen = {x.id for x in engine.running(self.settings.filters)}
                self.wanted = [x for x in self.everyone if x.id in chosen]
        except EngineError as error:
            self.error = str(error)
        self.late = time.monotonic() - began > _LATE
        if self._closed:
            self.close()

    def begin_to_look(self, threads: ThreadPoolExecutor, chosen: Sequence[Listed]) -> None:
        """Look at the chosen containers in another thread, unless the run is over."""
        if not self._closed:
            self.round = threads.submit(self.observe, chosen)

    def _list(self, records: list[dict[str, Any]]) -> None:
        self._records, self._listed_at = records, time.monotonic()
        self.everyone = self.engine().parse(records)

    def dump(self) -> str:
        """Return what a worker process needs to run the same tests."""
        wanted = [x.id for x in self.wanted]
        own = [plain(self.host), self.label, self.shown, self.error, self.late, self.awaited]
        return json.dumps([own, self._records, wanted])

    @classmethod
    def load(cls, text: str, settings: Settings) -> HostAudit:
        """Return the audit that another process dumped."""
        (host, *own), records, wanted = json.loads(text)
        audit = cls(from_plain(host), settings, *own)
        audit._records = records
        audit.everyone = [Listed.from_record(x) for x in records]
        audit.wanted = [x for x in audit.everyone if x.id in set(wanted)]
        return audit

    def names(self) -> list[str]:
        """Return what the tests of the containers are called."""
        names = [printable(x.name) for x in self.wanted]
        times = Counter(names)
        # Names are unique on an engine; should one say otherwise, the id tells them apart.
        return [
            name if times[name] == 1 else f"{name}@{listed.id[:12]}"
            for name, listed in zip(names, self.wanted, strict=True)
        ]

    def header(self) -> str:
        """Return the line that says what is looked at."""
        if self.error is not None:
            return f"{self.shown}, not reached"
        if self.awaited:
            return f"{self.shown}, no answer yet: its tests come last"
        filters = [f"{k}={v}" for k, values in self.settings.filters.items() for v in values]
        match = "matches" if len(self.wanted) == 1 else "match"
        matching = f" that {match} {printable(' '.join(filters))}" if filters else ""
        return f"{self.shown}, {plural(len(self.wanted), 'running container')}{matching}"

    def engine(self) -> Engine:
        """Return the engine, connecting at the first call; raises EngineError."""
        if self._engine is None:
            self._engine = self.settings.connect(self.host)
        return self._engine

    def close(self) -> None:
        """Close the connection, if there is one."""
        self._closed = True
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def observe(self, chosen: Sequence[Listed]) -> dict[str, Answer]:
        """Look at all chosen containers in one round; raises EngineError."""
        engine = self.engine()
        if time.monotonic() - self._listed_at > _FRESH:
            self._list(engine.records())
        self._now = {x.id: x for x in self.everyone}
        fresh = [self._now.get(x.id, x) for x in chosen]
        return engine.observe(fresh, self.everyone, owners=self.settings.shows_all)

    def answer(self, listed: Listed) -> Answer:
        """Return what was found of a container that was among the chosen; raises EngineError.

        One that is too young to be judged is looked at again, until it matches or its grace is
        over.
        """
        assert self.round is not None
        answer = self.round.result()[listed.id]
        now = self._now.get(listed.id, listed)
        settings = self.settings
        return settle(self.engine(), now, answer, settings.grace, owners=settings.shows_all)


@dataclass(slots=True)
class Audit:
    """The audit of all engines of a run."""

    hosts: list[HostAudit]
    settings: Settings
    by_host: bool = False
    """Whether this process has the tests of whole hosts, and of some alone."""
    _reached: dict[Future[None], HostAudit] = field(default_factory=dict)

    @classmethod
    def begin(cls, settings: Settings, *, hurry: bool = False, ahead: bool = False) -> Audit:
        """Reach all engines, as reach does, but raise EngineError where the only one can't be."""
        audit = cls.reach(settings, hurry=hurry, ahead=ahead)
        if len(audit.hosts) == 1 and audit.hosts[0].error is not None:
            raise EngineError(audit.hosts[0].error)
        return audit

    @classmethod
    def reach(cls, settings: Settings, *, hurry: bool = False, ahead: bool = False) -> Audit:
        """Reach all engines side by side; those that can't be are kept with their errors.

        With hurry, those that keep others waiting are left for answers() to return. With ahead,
        all containers of an engine are looked at as soon as it has listed them. Raises
        ConfigurationError for a bad host or filter.
        """
        # Two names of one engine are one engine; one address behind two jump hosts is two.
        found = {x: resolve(x) for x in settings.hosts}
        where = {(y.url, y.ssh, y.trouble): x for x, y in reversed(found.items())}
        names = [x for x in settings.hosts if x in where.values()]
        labels = labels_of([found[x] for x in names])
        hosts = [
            HostAudit(x, settings, label, found[x].shown)
            for x, label in zip(names, labels, strict=True)
        ]
        audit = cls(hosts, settings)
        audit._begin(hurry=hurry, ahead=ahead)
        return audit

    def _begin(self, *, hurry: bool, ahead: bool) -> None:
        at_once = _at_once(len(self.hosts))
        threads = ThreadPoolExecutor(at_once)  # in these a helper's removal is waited for

        def begin(host: HostAudit) -> None:
            host.begin()
            if ahead and host.error is None:
                host.begin_to_look(threads, host.wanted)

        tasks = [partial(begin, x) for x in self.hosts]
        self._reached = dict(zip(together.start(tasks, at_once), self.hosts, strict=True))

        def some_answered() -> bool:
            return any(y.error is None for x, y in self._reached.items() if x.done())

        try:
            together.wait_for_most(self._reached, _PATIENCE if hurry else None, some_answered)
        except BaseException:  # an interrupt
            self.close()
            raise
        for future, host in self._reached.items():
            host.awaited = not future.done()
            if not host.awaited:
                future.result()

    def answers(self) -> Iterator[HostAudit]:
        """Yield the hosts that tests began without, as they answer or turn out not to."""
        for future in as_completed([x for x, y in self._reached.items() if y.awaited]):
            host = self._reached[future]
            try:
                future.result()
            except ConfigurationError as error:  # the others took the filter
                host.error = str(error)
            host.awaited = False
            yield host

    def id_of(self, host: HostAudit) -> str:
        """Return the id that a host's tests begin with."""
        return ROOT if len(self.hosts) == 1 else f"{ROOT}[{host.label}]"

    def ids(self) -> list[str]:
        """Return the ids of all tests."""
        return [
            f"{self.id_of(host)}::{name}" if name else self.id_of(host)
            for host in self.hosts
            for name in (host.names() if host.error is None else [""])
        ]

    def why_not(self, chosen: str) -> str:
        """Return, behind a colon, why there is no test of an id; empty where nothing tells."""
        for host in self.hosts:
            begin = f"{self.id_of(host)}::"
            if not chosen.startswith(begin) or host.error is not None:
                continue
            name = chosen.removeprefix(begin)
            try:
                found = host.engine().container(name)
            except ExposedError as error:
                return f": {error}"
            if found.id in {x.id for x in host.wanted}:
                return f": the test of {printable(name)} is {begin}{found}"
            return f": {found} is none of the containers that the filter leaves"
        return ""

    def look(self, chosen: Mapping[str, Sequence[Listed]]) -> None:
        """Begin to look at the chosen containers, by the label of their host, at all hosts at once.

        A host that is late delays only the tests of its own containers.
        """
        hosts = [x for x in self.hosts if x.label in chosen and x.round is None]
        if len(hosts) == 1:  # in this thread, so that an interrupt reaches it
            hosts[0].round = Future()
            try:
                hosts[0].round.set_result(hosts[0].observe(chosen[hosts[0].label]))
            except Exception as error:  # noqa: BLE001  # raised again in each of its tests
                hosts[0].round.set_exception(error)
            return
        threads = ThreadPoolExecutor(_at_once(len(hosts)))
        for host in sorted(hosts, key=lambda x: x.late):
            host.begin_to_look(threads, chosen[host.label])
        threads.shutdown(wait=False)

    def dump(self) -> str:
        """Return what a worker process needs to run the same tests."""
        return json.dumps([self.by_host, [x.dump() for x in self.hosts]])

    @classmethod
    def load(cls, text: str, settings: Settings) -> Audit:
        """Return the audit that another process dumped; engines are reached when asked."""
        by_host, hosts = json.loads(text)
        return cls([HostAudit.load(x, settings) for x in hosts], settings, by_host)

    def close(self) -> None:
        """Close all connections."""
        for host in self.hosts:
            host.close()


def _at_once(hosts: int) -> int:
    """Return how many hosts are spoken to at once: others go on while a quarter is silent."""
    return 16 + hosts // 4


def labels_of(hosts: Sequence[Host]) -> list[str]:
    """Return a short name of each host; its address where the short one is another's too."""
    short = [x.label for x in hosts]
    labels: list[str] = []
    for host in hosts:
        label = printable(host.label if short.count(host.label) == 1 else host.shown)
        # The same address with another user, which is never shown.
        labels.append(label if label not in labels else f"{label}#{len(labels) + 1}")
    return labels
