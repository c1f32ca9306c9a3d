"""The audit of all engines of a run, which are asked side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from pytest_exposed.audit.host import Done, HostAudit
from pytest_exposed.audit.settings import Settings
from pytest_exposed.engine.hosts import Host, Member, resolve
from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import EngineError, ExposedError, NotFoundError
from pytest_exposed.text import printable
from pytest_exposed.values import dataclass

ROOT = "exposed"
"""What the ids of the audit's tests begin with."""


@dataclass(slots=True)
class Audit:
    """The audit of all engines of a run."""

    hosts: list[HostAudit]
    settings: Settings
    by_host: bool = False
    """Whether workers of pytest-xdist have the tests of whole hosts each (loadscope, loadfile)."""

    @classmethod
    def begin(cls, settings: Settings) -> Audit:
        """Reach all engines, as reach does, but raise EngineError where the only one can't be."""
        audit = cls.reach(settings)
        if len(audit.hosts) == 1 and audit.hosts[0].error is not None:
            raise EngineError(audit.hosts[0].error)
        return audit

    @classmethod
    def reach(cls, settings: Settings) -> Audit:
        """Reach all engines side by side; those that can't be are kept with their errors.

        Raises ConfigurationError for a bad host or filter.
        """
        # Two names of one engine are one engine; one address behind two jump hosts is two. Hosts
        # of another tool's list are as many as it names: none of them is left out silently.
        found = {x: resolve(x) for x in settings.hosts}
        names_in_list = {x: x.name if isinstance(x, Member) else None for x in found}
        where = {
            (names_in_list[x], y.url, y.ssh, y.docker_host, y.trouble): x
            for x, y in reversed(found.items())
        }
        names = [x for x in settings.hosts if x in where.values()]
        labels = labels_of([found[x] for x in names])
        hosts = [
            HostAudit(x, settings, label, found[x].shown)
            for x, label in zip(names, labels, strict=True)
        ]
        audit = cls(hosts, settings)
        try:
            _each(hosts, HostAudit.begin)
        except BaseException:  # an interrupt among them
            audit.close()
            raise
        return audit

    def id_of(self, host: HostAudit) -> str:
        """Return the id that a host's tests begin with: its name is in it, unless it is alone.

        One of a list has its name in any case: the ids stay when the list grows or shrinks.
        """
        is_alone = len(self.hosts) == 1 and not isinstance(host.host, Member)
        return ROOT if is_alone else f"{ROOT}[{host.label}]"

    def ids(self) -> list[str]:
        """Return the ids of all tests."""
        return [
            f"{self.id_of(host)}::{name}" if name else self.id_of(host)
            for host in self.hosts
            for name in ([*host.names(), *host.names_of_runs()] if host.error is None else [""])
        ]

    def why_not(self, chosen: str) -> str:
        """Return, behind a colon, why there is no test of an id; empty where that is unknown."""
        first = self.id_of(self.hosts[0])
        if first != ROOT and chosen.startswith(f"{ROOT}::"):
            return f": an id names its host here, such as {first}{chosen.removeprefix(ROOT)}"
        for host in self.hosts:
            begin = f"{self.id_of(host)}::"
            if not chosen.startswith(begin) or host.error is not None:
                continue
            return self._why_not_on(host, chosen.removeprefix(begin))
        return ""

    def _why_not_on(self, host: HostAudit, name: str) -> str:
        """Return why a name is of no test of a host, as why_not does."""
        try:
            tasks = host.engine().observer.find_tasks(name)[0]
            if len(tasks) > 1:
                many = f"service {printable(name)} has {len(tasks)} tasks here"
                return f": {many}, each with a test of its own: choose them by -k {printable(name)}"
            found = host.engine().container(name)
        except NotFoundError as error:
            return f": {error}{self._near(host, name)}"
        except ExposedError as error:
            return f": {error}"
        if found.id in {x.id for x in host.wanted}:
            return f": the test of {printable(name)} is {self.id_of(host)}::{found}"
        if not self.settings.audits_running:
            return f": {found} is no image of --exposed-run: add --exposed to audit it too"
        return f": {found} is left out by the filter"

    def _near(self, host: HostAudit, name: str) -> str:
        """Return the id of the one test of the service whose name is near to one; "" for none."""
        from difflib import get_close_matches  # noqa: PLC0415  # for mistakes alone

        services: dict[str, list[str]] = {}
        for own, listed in zip(host.names(), host.wanted, strict=True):
            services.setdefault(str(listed.service or "").rpartition("/")[2], []).append(own)
        for near in get_close_matches(name, [*host.names(), *services], n=1):
            if len(found := services.get(near, [])) == 1:
                return f"; the test of {near} is {self.id_of(host)}::{found[0]}"
        return ""

    def look(self, chosen: Mapping[str, Sequence[Listed]]) -> None:
        """Begin to look at the chosen containers, by the label of their host, at all hosts at once.

        A host that takes long delays only the tests of its own containers.
        """
        hosts = [x for x in self.hosts if x.label in chosen and x.observation is None]
        if len(hosts) == 1:  # in this thread, so that an interrupt reaches it
            hosts[0].observation = Done(lambda: hosts[0].observe(chosen[hosts[0].label]))
            return
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  # for many hosts

        threads = ThreadPoolExecutor(_at_once(len(hosts)))  # a helper's removal is waited for
        for host in hosts:
            host.observation = threads.submit(host.observe, chosen[host.label])
        threads.shutdown(wait=False)

    def dump(self) -> str:
        """Return the audit as text, for a worker process that runs the same tests."""
        return json.dumps([self.by_host, [x.dump() for x in self.hosts]])

    @classmethod
    def load(cls, text: str, settings: Settings) -> Audit:
        """Return the audit that another process dumped; engines are reached when asked."""
        by_host, hosts = json.loads(text)
        return cls([HostAudit.load(x, settings) for x in hosts], settings, by_host)

    def close(self) -> list[str]:
        """Close all connections side by side; return lines on containers that may be left."""
        left: list[str] = []
        _each(self.hosts, lambda host: left.extend(host.close()))
        return left


def _each(hosts: Sequence[HostAudit], work: Callable[[HostAudit], None]) -> None:
    """Do work for all hosts side by side, and raise the first error of one, in their order."""
    if len(hosts) == 1:  # in this thread, so that an interrupt reaches it
        work(hosts[0])
        return
    from pytest_exposed.audit import parallel  # noqa: PLC0415  # for many hosts

    for future in parallel.start([partial(work, x) for x in hosts], _at_once(len(hosts))):
        future.result()


def _at_once(hosts: int) -> int:
    """Return how many hosts are asked at once: the rest goes on while a quarter is silent."""
    return 16 + hosts // 4


def labels_of(hosts: Sequence[Host]) -> list[str]:
    """Return a short name for each host; its address where another has the same short name."""
    short = [x.label for x in hosts]
    labels: list[str] = []
    for host in hosts:
        label = printable(host.label if short.count(host.label) == 1 else host.shown)
        # The same address with another user, which is never shown.
        labels.append(label if label not in labels else f"{label}#{len(labels) + 1}")
    return labels
