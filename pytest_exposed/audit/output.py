"""What an audit writes: the requested files, and the lines below its tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TextIO

from pytest_exposed import report
from pytest_exposed.audit.audit import Audit
from pytest_exposed.audit.results import Results, id_of_run
from pytest_exposed.audit.settings import Settings
from pytest_exposed.model import names_of
from pytest_exposed.model.ports import Port
from pytest_exposed.observation.attribute import UNJOINED
from pytest_exposed.report.record import ContainerRecord, ports_of
from pytest_exposed.rules import baseline
from pytest_exposed.rules.baseline import REASON, Entry
from pytest_exposed.rules.selection import select
from pytest_exposed.text import plural, printable
from pytest_exposed.unpatched import today


class _Judged:
    """What an audit judged: which of the containers that are there or to be run, by which rules."""

    def __init__(self, audit: Audit, outcome: Results) -> None:
        self.containers = [x for x in outcome.containers() if x["findings"] is not None]
        seen = {x["id"] for x in self.containers}
        running = [
            x for host in audit.hosts for x in host.everyone if x.is_users and x.id not in seen
        ]
        not_run = _not_run(audit, outcome)
        # One that is stopped may be started again, with the findings that it had; but not a task
        # that Swarm has replaced.
        services = {x["service_id"] for x in self.containers} - {None}
        stopped = (x for host in audit.hosts for x in host.stopped)
        missed = [*running, *(x for x in stopped if not x.service or x.service.id not in services)]
        # What is in no network any more listens, and nothing reaches it until it is restarted.
        strays = [x for x in self.containers if any(map(_is_stray, x.get("notes", ())))]
        self.missed = [
            *(_names(x) for x in strays),
            *(names_of(x.name, x.service.name if x.service else None, x.pod) for x in missed),
            *((x,) for x in not_run),
        ]
        # With --exposed-run alone, nobody asked for any other container.
        self.all_asked = not not_run and audit.settings.audits_running
        self.reached = not any(x.error for x in outcome.hosts.values())
        self.rules = {x.name for x in select(audit.settings.select, audit.settings.ignore)}
        # Replicas share an entry.
        self._left = {baseline.key(x.name, x.labels, x.image_id) for x in missed}
        self._left |= {baseline.key(x, {}) for x in not_run}
        self._left |= {outcome.keys[x["id"]] for x in strays}
        self._keys = {outcome.keys[x["id"]] for x in self.containers}
        self._audits_running = audit.settings.audits_running

    def all_of(self, entry: Entry) -> bool:
        """Return whether an entry of a baseline would have been found if it still applied."""
        if not self.reached or entry.rule not in self.rules or entry.container in self._left:
            return False
        if entry.container in self._keys:
            return True
        # A tag means an image that a run starts, or a service of a job: another run may have it.
        return self._audits_running and ":" not in entry.container


def _not_run(audit: Audit, outcome: Results) -> list[str]:
    """Return the image of each container that was to be started and was not judged."""
    found = []
    for host in audit.hosts:
        records = outcome.hosts[host.label].records
        for name, planned in zip(host.names_of_runs(), host.runs, strict=True):
            item = records.get(id_of_run(name))
            record = item.get("record") if item else None
            if record is None or record["findings"] is None:
                found.append(planned.image)
    return found


def write(audit: Audit, outcome: Results, stdout: TextIO | None = None) -> tuple[list[str], bool]:
    """Write the requested files; return a line for each, and whether all could be written.

    stdout gets the JSON report where that is given.
    """
    settings = audit.settings
    if not settings.writes:
        return [], True
    judged = _Judged(audit, outcome)
    hosts = [x.as_record() for x in outcome.hosts.values()]
    lines: list[str] = []
    fine = True

    def attempt(path: Path | str, work: Callable[[], None], done: str | None = None) -> None:
        nonlocal fine
        try:
            work()
        except OSError as error:
            fine = False
            lines.append(f"{path} can't be written: {error.strerror}")
        else:
            lines.extend([done] if done else [])

    others = [x for x in (settings.new_baseline, settings.new_tests) if x is not None]
    left_out = _left_out(audit, outcome)
    if stdout is not None:
        attempt("standard output", lambda: report.write_json(stdout, hosts))
    for path in settings.reports[len(left_out) :]:
        attempt(path, partial(report.write, path, hosts))
    if not judged.containers:  # an empty file would replace a complete one
        lines.extend(
            f"no container was judged, and {x} is not written" for x in (*left_out, *others)
        )
        return lines, fine
    if settings.new_baseline is not None:
        entries, done = _accepted(audit, outcome, judged)
        path = settings.new_baseline
        attempt(path, lambda: baseline.write(path, entries), done)
    if settings.new_tests is not None:
        from pytest_exposed.report import suite  # noqa: PLC0415  # rarely written

        tests = settings.new_tests
        lasting = [x.as_record(with_runs=False) for x in outcome.hosts.values()]
        attempt(tests, lambda: suite.write(tests, lasting, today()), f"a suite written to {tests}")
    return lines, fine


def _left_out(audit: Audit, outcome: Results) -> tuple[Path, ...]:
    """Return all reports where -k or the like left out all containers that there are."""
    there_are = any(x.wanted or x.runs for x in audit.hosts)
    return audit.settings.reports if there_are and not outcome.count else ()


_MOST_GONE = 5
"""Lines of a baseline that are left out, and named."""


def _accepted(audit: Audit, outcome: Results, judged: _Judged) -> tuple[set[Entry], str]:
    """Return the entries of a new baseline, and the line to print."""
    settings = audit.settings
    found = _entries(outcome)
    before = settings.acceptance.baseline
    same = {x: x for x in before}  # with the words that people wrote behind it
    entries = {same.get(x, x) for x, reason in found if reason in (None, REASON)}
    kept = {x for x in before if not judged.all_of(x)} - entries
    line = f"{plural(len(entries | kept), 'finding')} written to {settings.new_baseline}"
    if kept:
        line += f", {len(kept)} of them from {settings.baseline}, as not all was judged"
    left_out = before - kept - entries
    waived = left_out & {x for x, _ in found}
    if waived:
        line += f"; {len(waived)} of {settings.baseline} left out, as waived elsewhere"
    if gone := sorted(printable(str(x)) for x in left_out - waived):
        line += f"; {len(gone)} of {settings.baseline} left out, as not found any more: "
        line += ", ".join(gone[:_MOST_GONE]) + (", …" if len(gone) > _MOST_GONE else "")
    if unseen := outcome.unseen():
        line += f"; {unseen} of the containers were not judged"
    if unreached := sum(x.error is not None for x in outcome.hosts.values()):
        line += f"; {plural(unreached, 'host')} not reached"
    if settings.baseline is None:
        line += f"; --exposed-baseline={settings.new_baseline} accepts what is in it"
    return entries | kept, line


def _entries(outcome: Results) -> list[tuple[Entry, str | None]]:
    """Return each finding as a baseline has it, and what it is waived for."""
    found: list[tuple[Entry, str | None]] = []
    for container in outcome.containers():
        for x in container["findings"] or ():
            port = None if x["port"] is None else Port.parse(x["port"])
            entry = Entry.of(outcome.keys[container["id"]], x["rule"], port)
            found.append((entry, x["waived"]))
    return found


def _name(container: ContainerRecord) -> str:
    """Return what waivers call a container: one of a run by its image alone, without a number."""
    name = container["name"]
    return name.partition("#")[0] if container.get("started_by_run") else name


def _names(container: ContainerRecord) -> tuple[str, ...]:
    return names_of(_name(container), container["service"], container.get("pod"))


def _is_stray(note: str) -> bool:
    return note.startswith(UNJOINED)


def _slips(container: ContainerRecord) -> tuple[str, ...]:
    """Return names by which a waiver accepts nothing: without the tag, without the project."""
    return (
        _name(container).rpartition(":")[0],
        (container["service"] or "").rpartition("/")[2],
    )


def _rewrites_its_baseline(settings: Settings) -> bool:
    """Return whether the baseline is written anew: what is not found any more is not in it."""
    old, new = settings.baseline, settings.new_baseline
    return old is not None and new is not None and old.resolve() == new.resolve()


def stale_lines(audit: Audit, outcome: Results) -> list[str]:
    """Return a line for each waiver or entry of a baseline that accepts nothing any more.

    Those for containers that were not observed, or for rules that were not selected, are left out:
    nothing is known about them.
    """
    accepted = audit.settings.acceptance
    if not audit.settings.accepts:
        return []
    from pytest_exposed.rules.waivers import stale  # noqa: PLC0415  # as in acceptance.py

    judged = _Judged(audit, outcome)
    names = [_names(x) for x in judged.containers]
    named = list(zip(names, judged.containers, strict=True))
    found = [
        (y["waived"] is not None, (own, y["rule"], port))
        for own, x in named
        for y in x["findings"] or ()
        for port in ports_of(y) or (None,)
    ]
    lines = stale(
        accepted.waivers,
        [x for is_accepted, x in found if is_accepted],
        [(*own, *_slips(x)) for own, x in named],
        missed=judged.missed if judged.reached else None,
        others=[x for is_accepted, x in found if not is_accepted],
        known={y for x in (*names, *judged.missed) for y in x},
        all_asked=judged.all_asked,
        rules=judged.rules,
        today=today(),
    )
    if audit.settings.baseline is not None and not _rewrites_its_baseline(audit.settings):
        known = {x for x, _ in _entries(outcome)}
        fixed = [x for x in accepted.baseline - known if judged.all_of(x)]
        running = set(outcome.keys.values())
        for x in sorted(fixed, key=str):
            why = "not found any more" if x.container in running else "there is no such container"
            lines.append(f"{why}, remove it from {audit.settings.baseline}: {printable(str(x))}")
    return lines
