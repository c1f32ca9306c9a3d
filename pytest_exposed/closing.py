"""What an audit leaves: the files that were asked for, and the lines below its tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

from pytest_exposed import baseline, report
from pytest_exposed.audit import Audit
from pytest_exposed.baseline import REASON, Entry
from pytest_exposed.outcome import Outcome
from pytest_exposed.ports import Port
from pytest_exposed.report import suite
from pytest_exposed.rules import select
from pytest_exposed.settings import Settings
from pytest_exposed.text import plural, printable
from pytest_exposed.waivers import stale


def write(settings: Settings, outcome: Outcome) -> tuple[list[str], bool]:
    """Write what was asked for; return a line for each file, and whether all could be written."""
    hosts = [x.as_record() for x in outcome.hosts.values()]
    lines: list[str] = []
    fine = True

    def attempt(path: Path, work: Callable[[], None], done: str | None = None) -> None:
        nonlocal fine
        try:
            work()
        except OSError as error:
            fine = False
            lines.append(f"{path} can't be written: {error.strerror}")
        else:
            lines.extend([done] if done else [])

    for path in settings.reports:
        attempt(path, lambda path=path: report.write(path, hosts))  # type: ignore[misc]  # its own
    if settings.new_baseline is not None:
        entries = [x for x, reason in _entries(outcome) if reason in (None, REASON)]
        done = f"{plural(len(set(entries)), 'accepted finding')} written to {settings.new_baseline}"
        if outcome.unseen():
            done += f"; {outcome.unseen()} of the containers could not be observed"
        if unreached := sum(x.error is not None for x in outcome.hosts.values()):
            done += f"; {plural(unreached, 'host')} not reached"
        path = settings.new_baseline
        attempt(path, lambda: baseline.write(path, entries), done)
    if settings.new_tests is not None:
        tests = settings.new_tests
        today = date.today()  # noqa: DTZ011  # the user's day
        attempt(tests, lambda: suite.write(tests, hosts, today), f"a suite written to {tests}")
    return lines, fine


def _entries(outcome: Outcome) -> list[tuple[Entry, str | None]]:
    """Return each finding as a baseline has it, and what it is waived for."""
    return [
        (
            Entry(outcome.keys[container["id"]], x["rule"], _port(x["port"])),
            x["waived"],
        )
        for container in outcome.containers()
        for x in container["findings"] or ()
    ]


def _port(text: str | None) -> Port | None:
    return Port.parse(text) if text is not None else None


def stale_lines(audit: Audit, outcome: Outcome) -> list[str]:
    """Return a line for each waiver or entry of a baseline that accepts nothing any more.

    Of those for containers that were not looked at, and for rules that were not judged by, nothing
    is known.
    """
    containers = [x for x in outcome.containers() if x["findings"] is not None]
    seen = {x["id"] for x in containers}
    missed = [x for host in audit.hosts for x in host.everyone if x.id not in seen]
    reached = not any(x.error for x in outcome.hosts.values())
    rules = {x.name for x in select(audit.settings.select, audit.settings.ignore)}
    findings = [(x["name"], y["rule"], _port(y["port"])) for x in containers for y in x["findings"]]
    lines = stale(
        audit.settings.waivers,
        findings,
        [x["name"] for x in containers],
        missed=[x.name for x in missed] if reached else None,
        rules=rules,
        today=date.today(),  # noqa: DTZ011  # the user's day
    )
    if audit.settings.baseline is not None:
        known = {x for x, _ in _entries(outcome)}
        judged = {outcome.keys[x["id"]] for x in containers}
        left = {baseline.key(x.name, x.labels) for x in missed}  # replicas share a line
        fixed = [
            x
            for x in baseline.read(audit.settings.baseline) - known
            if reached
            and x.rule in rules
            and (not missed or (x.container in judged and x.container not in left))
        ]
        lines += [
            f"not found any more, remove it from {audit.settings.baseline}: {printable(str(x))}"
            for x in sorted(fixed, key=str)
        ]
    return lines
