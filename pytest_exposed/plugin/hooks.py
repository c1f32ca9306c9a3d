"""The hooks of an audit; registered only in runs that have one."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, TextIO

import pytest

from pytest_exposed.audit import Audit, output
from pytest_exposed.audit.host import HostAudit
from pytest_exposed.audit.results import HostResults, Results, of_listed, of_run
from pytest_exposed.errors import ExposedError
from pytest_exposed.plugin import arguments, ids
from pytest_exposed.plugin.items import (
    AuditCollector,
    AuditItem,
    ContainerItem,
    HostItem,
    JudgedItem,
)
from pytest_exposed.plugin.progress import live, say, shows_failures
from pytest_exposed.report import record
from pytest_exposed.text import plural


def begin(
    config: pytest.Config,
    listed: str | None,
    chosen: Sequence[str],
    stdout: TextIO,
    *,
    joins: bool,
) -> Audit:
    """Begin the audit of a run, and register its hooks.

    listed is the list of pytest-xdist's controller, chosen the ids of the tests to run, none for
    all. joins is whether other tests are to run: these run without an engine, and a test of the
    audit fails. Else raises UsageError where an engine is missing, and in any case for a test.
    """
    try:
        settings = arguments.expanded(config)
        if listed is not None:
            audit = Audit.load(listed, settings)
        else:
            with live(config) as show:
                show(f"reaching {plural(len(settings.hosts), 'host')} …")
                audit = (Audit.reach if joins and not chosen else Audit.begin)(settings)
    except ExposedError as error:
        raise pytest.UsageError(f"pytest-exposed: {error}") from None
    config.add_cleanup(lambda: say(audit.close()))
    ids.refuse_unknown(config, chosen, audit)
    hooks = AuditHooks(audit, chosen, stdout if settings.json_to_stdout else None, joins=joins)
    config.pluginmanager.register(hooks, "exposed-audit")
    return audit


_NONE = "so no container was audited; those that fixtures start come too late for the audit"


class HostCollector(AuditCollector):
    """The tests of one engine's containers."""

    def __init__(self, *, chosen: Sequence[str], **rest: Any) -> None:
        super().__init__(**rest)
        self._chosen = chosen

    def collect(self) -> Iterable[pytest.Item]:
        """Return a test for each container, or the one that says why there is none."""
        if self.audit.error is not None:
            return [HostItem.from_parent(self, name=self.name, nodeid=self.nodeid)]
        items: list[JudgedItem] = [
            ContainerItem.from_parent(self, name=name, listed=listed)
            for name, listed in zip(self.audit.names(), self.audit.wanted, strict=True)
        ]
        if self.audit.runs:
            from pytest_exposed.plugin.runs import RunItem  # noqa: PLC0415  # for few

            items += [
                RunItem.from_parent(self, name=name, planned=planned)
                for name, planned in zip(self.audit.names_of_runs(), self.audit.runs, strict=True)
            ]
        chosen = self._chosen
        return [x for x in items if not chosen or any(ids.is_of(x.nodeid, y) for y in chosen)]


class AuditHooks:
    """Adds the tests of the audit, gathers what they found, and reports it at the end."""

    def __init__(
        self, audit: Audit, chosen: Sequence[str], stdout: TextIO | None = None, *, joins: bool
    ) -> None:
        """Take the audit, the ids of the tests to run (none for all), and where JSON is written.

        joins is whether other tests are to run.
        """
        self._audit = audit
        self._joins = joins
        self._stdout = stdout
        self._chosen = chosen
        self._lines: list[str] = []
        self._failed: set[str] = set()
        """The ids of the containers whose tests failed: pytest shows their tables."""
        self._due: dict[str, str] = {}
        """The ids of the tests to run, with the audit's own id of each."""
        self._ran = False
        """Whether a test of the suite ran, or a container was judged."""
        self._done: set[str] = set()
        """The ids of the tests that have a record or were skipped. A worker of pytest-xdist that
        replaces a lost one collects all tests again."""
        self._deselected: set[pytest.Item] = set()
        self._added: list[pytest.Item] = []
        self._dropped = 0
        """How many containers a plugin or conftest left out without reporting them as such."""
        self._outcome = Results(
            {
                x.label: HostResults(x.shown, x.error, list(map(record.of_stopped, x.not_running)))
                for x in audit.hosts
            }
        )

    def pytest_report_header(self) -> list[str]:
        """Say which engines are looked at."""
        lines = [x.header() for x in self._audit.hosts]
        return [f"exposed: {x}" for x in (*lines, *self._audit.settings.left_out)]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, items: list[pytest.Item]
    ) -> Generator[None, object, object]:
        """Add the audit's tests to those collected; the collectors report how many they have.

        Options such as -k choose among containers. The tests of hosts that were not reached are
        added afterwards: to deselect them would be a silent pass.
        """
        for host in self._audit.hosts:
            if host.error is None:
                items += self._tests(session, host)
        added = [x for x in items if isinstance(x, JudgedItem)]
        self._added += added
        result = yield
        # A container changes while no file does. Options such as -k report what they leave out as
        # deselected; testmon does not.
        if getattr(getattr(session.config, "testmon_config", None), "select", False):
            items += [x for x in added if x not in items and x not in self._deselected]
        for host in self._audit.hosts:
            if host.error is not None:
                left_out = tuple(session.config.option.deselect or ())
                tests = list(self._tests(session, host))
                if self._audit.id_of(host).startswith(left_out):
                    session.config.hook.pytest_deselected(items=tests)
                else:
                    items += tests
        return result

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Note which tests something left out on purpose."""
        self._deselected |= set(items)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which tests of the audit are to run, and how many were left out silently."""
        ours = (x for x in session.items if isinstance(x, JudgedItem))
        self._due |= {x.nodeid: x.audited_as for x in ours}
        self._dropped = len({*self._added} - {*session.items} - self._deselected)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Note which tests are to run, in pytest-xdist's controller."""
        self._due |= {x: x for x in ids}

    def _tests(self, session: pytest.Session, host: HostAudit) -> Iterator[pytest.Item]:
        name, config = self._audit.id_of(host), session.config
        if host.error is not None and arguments.is_unmarked(config):
            return iter(())
        collector = HostCollector.from_parent(
            session, name=name, nodeid=name, whole=self._audit, audit=host, chosen=self._chosen
        )
        return session.genitems(collector)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        """Wait until a host's containers have been looked at, and say so, before its first test."""
        if not isinstance(item, ContainerItem):
            return
        host = item.audit
        if host.observation is None or not host.observation.done():
            many = plural(len(host.wanted), "container")
            with live(item.config) as host.show:
                host.show(f"looking at {many} on {host.shown} …")
                item.look()
                with suppress(Exception):  # raised again in each of its tests
                    if host.observation is not None:
                        host.observation.result()
            host.show = lambda _: None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach what a test found to its report, which may come from another process."""
        report = yield
        if isinstance(item, AuditItem):
            record = item.record if call.when == "call" else None
            report.exposed = record  # type: ignore[attr-defined]  # reports take extra fields
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Gather what a test found."""
        record = getattr(report, "exposed", None)
        # What is judged is no skipped test, though pytest reports as such what is marked xfail.
        if not hasattr(report, "exposed") or (record and record.get("record")):
            self._ran = True
        if record is not None:
            self._outcome.add(record)
            if report.failed and "id" in record:
                self._failed.add(record["id"])
        if record is not None or report.skipped:
            self._done.add(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the reports, in pytest-xdist's controller if there is one.

        Nothing is written where tests are only listed: an empty file would replace a complete one.
        """
        listed = any(
            session.config.getoption(x, False) for x in ("collectonly", "setupplan", "setuponly")
        )
        wrong = session.exitstatus == pytest.ExitCode.USAGE_ERROR
        if hasattr(session.config, "workerinput") or listed or wrong:
            return
        self._note_the_rest()
        lines, fine = output.write(self._audit, self._outcome, self._stdout)
        self._lines += lines
        if not fine:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
        elif session.exitstatus == pytest.ExitCode.OK and not self._ran:
            # All containers have gone: nothing was judged, which is no pass.
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED

    def _note_the_rest(self) -> None:
        """Record the containers without a finished test as not seen."""
        if self._dropped:
            many = plural(self._dropped, "container")
            self._lines.append(f"a plugin or conftest left out {many} and reported none of it")
        left = {own for x, own in self._due.items() if x not in self._done}
        for host in self._audit.hosts if left else ():
            for name, listed in zip(host.names(), host.wanted, strict=True):
                if f"{self._audit.id_of(host)}::{name}" in left:
                    unseen = record.of_unseen(listed, record.NOT_RUN)
                    self._outcome.add(of_listed(host.label, listed, record=unseen))
            for name, planned in zip(host.names_of_runs(), host.runs, strict=True):
                if f"{self._audit.id_of(host)}::{name}" in left:
                    unseen = record.of_unstarted(planned.image, record.NOT_RUN)
                    self._outcome.add(of_run(host.label, name, record=unseen))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the tables that -v asks for, warnings, and the summary."""
        if self._audit.settings.tables:
            failed = self._failed if shows_failures(terminalreporter.config) else ()
            for host in self._outcome.hosts.values():
                if tables := host.tables(failed):
                    terminalreporter.write_sep("-", f"ports on {host.host}")
                    for number, table in enumerate(tables):
                        heading, _, rest = table.partition("\n")
                        terminalreporter.write("\n" if number else "")
                        terminalreporter.write_line(heading, bold=True)
                        terminalreporter.write_line(rest)
        if warnings := self._outcome.warnings():
            terminalreporter.write_sep("-", "warnings, which fail nothing")
            for text in warnings:
                terminalreporter.write_line(text)
        quiet = terminalreporter.verbosity < 0  # which hides the header, and the names in it
        if self._outcome.count:
            colour = "green" if self._outcome.matches() else "red"
            terminalreporter.write_line(f"exposed: {self._outcome.summary()}", **{colour: True})
            time = [x for x in (self._outcome.waited(), self._outcome.young()) if x]
            stale = output.stale_lines(self._audit, self._outcome)
            stopped = [x.stopped_line() for x in self._audit.hosts if quiet and x.not_running]
            self._lines[:0] = [*stopped, *stale, *self._outcome.unsure(), *time]
        else:
            self._lines[:0] = self._without_containers(quiet)
        for line in self._lines:
            terminalreporter.write_line(f"exposed: {line}")

    def _without_containers(self, quiet: bool) -> list[str]:
        """Return why no container was audited, where pytest does not say it."""
        none = not any(x.wanted or x.runs or x.error for x in self._audit.hosts)
        lines = [x.header() for x in self._audit.hosts if none or x.not_running]
        if none and self._joins:  # beside tests that pass, the header is not enough
            return [*lines, _NONE]
        return lines if quiet else []  # with -q it says no more than that no tests ran
