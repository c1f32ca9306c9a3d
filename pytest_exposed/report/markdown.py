"""The Markdown report: a table for a CI job's summary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pytest_exposed import __version__
from pytest_exposed.model import Finding
from pytest_exposed.model.ports import Port, Ports
from pytest_exposed.report import links
from pytest_exposed.report.finding_groups import findings_of, neighbours
from pytest_exposed.report.record import HostRecord
from pytest_exposed.report.service_groups import ServiceGroup, service_groups
from pytest_exposed.report.summary import summary
from pytest_exposed.rules import RULES
from pytest_exposed.text import one_line, printable
from pytest_exposed.unpatched import now

_MOST = 500
"""Rows that are written: a CI job's summary is limited to a megabyte."""
_MOST_MATCHING = 20
"""Containers without findings that are named, on each host."""
_MOST_HOSTS = 20
"""Hosts that are named below the title."""


def write(path: Path, hosts: Sequence[HostRecord]) -> None:
    """Write the summary, a row for each finding and each container that was not seen, and notes.

    Below are the rules that were broken, each with what it means.
    """
    lines = ["# Container ports", "", _escaped(summary(hosts)), "", _audited(hosts), ""]
    by_host: dict[str, list[ServiceGroup]] = {x["host"]: [] for x in hosts}
    for one in service_groups(hosts):
        by_host[one.host["host"]].append(one)
    left = _MOST
    for host in hosts:
        rows = list(_rows(host, by_host[host["host"]]))
        matching = [*_matching(by_host[host["host"]])]
        notes = [*_notes(host), *_not_running(host)][:_MOST]
        if len(hosts) > 1 and (rows[: max(0, left)] or matching or notes):
            lines += [f"## {_escaped(host['host'])}", ""]
        if rows[: max(0, left)]:
            lines += [
                "| container | image | rule | port | evidence | fix, or why accepted |",
                "|---|---|---|---|---|---|",
            ]
            lines += [*rows[: max(0, left)], ""]
        left -= len(rows)
        for more in filter(None, (matching, notes)):
            lines += [*more, ""]
    lines += [f"… and {-left} more rows of the tables", ""] if left < 0 else []
    lines += _rules(hosts)
    path.write_text("\n".join(lines).rstrip("\n") + "\n", encoding="utf-8")


def _audited(hosts: Sequence[HostRecord]) -> str:
    """Return which hosts were audited, when and by what."""
    names = [_escaped(x["host"]) for x in hosts[:_MOST_HOSTS]]
    names += [f"{len(hosts) - _MOST_HOSTS} more"] if len(hosts) > _MOST_HOSTS else []
    return f"Audited {', '.join(names)} at {now()}, by pytest-exposed {__version__}."


def _rules(hosts: Sequence[HostRecord]) -> Iterator[str]:
    """Yield a line for each rule that was broken: its name, a link, and what it means."""
    broken = {y["rule"] for host in hosts for x in host["containers"] for y in x["findings"] or ()}
    for name in (x for x in RULES if x in broken):
        link = links.of_rule(name)
        yield f"- {f'[{name}]({link})' if link else name}: {_escaped(RULES[name].summary)}"


def _rows(host: HostRecord, found: Sequence[ServiceGroup]) -> Iterator[str]:
    """Yield a row for each trouble on a host: what fails, then warnings, what is waived last.

    Those of a service stand where its first task is.
    """
    if host["error"] is not None:
        yield _row(host["host"], "", "not reached", "", host["error"], "")
    for container in host["containers"]:
        if container["error"] is not None:
            name, image = container["name"], container["image"]
            yield _row(name, image, "not observed", "", container["error"], "")
    causes = [(one, cause) for one in found for cause in neighbours(findings_of(one.container))]
    for one, cause in sorted(causes, key=lambda x: _place(x[1].first)):
        reason, rule = cause.first.waived, cause.first.rule
        state = " (warning)" if cause.first.warning else ""
        state = " (accepted)" if reason is not None else state
        fix = cause.fix if reason is None else reason
        port = cause.span if cause.ports else ""
        yield _row(one.who, one.container["image"], f"{rule}{state}", port, cause.message, fix)


def _matching(found: Sequence[ServiceGroup]) -> Iterator[str]:
    """Yield a line for each container or service without findings: the first ones."""
    matching = [x for x in found if not x.container["findings"] and x.container["error"] is None]
    for one in matching[:_MOST_MATCHING]:
        image = one.container["image"]
        who = one.who if one.who == image else f"{one.who} ({image})"
        ports = Ports(Port.parse(x) for x in one.container["listening"] or ())
        reached = " that can be reached" if one.container["listeners"] else ""
        yield f"- {_escaped(who)} matches: it listens on {ports or f'nothing{reached}'}"
    if len(matching) > _MOST_MATCHING:
        yield f"- … and {len(matching) - _MOST_MATCHING} more that match"


def _notes(host: HostRecord) -> Iterator[str]:
    """Yield a line for each note on a container."""
    for container in host["containers"]:
        for note in container.get("notes", ()):
            yield f"- {_escaped(container['name'])}: {_escaped(note)}"


def _not_running(host: HostRecord) -> Iterator[str]:
    """Yield a line for each container that doesn't run."""
    for stopped in host.get("not_running", ()):
        code = stopped["exit_code"]
        ended = stopped["state"] if code is None else f"{stopped['state']} {code}"
        yield f"- {_escaped(stopped['name'])}: not running ({_escaped(ended)})"


def _place(finding: Finding) -> int:
    return 2 if finding.waived is not None else int(finding.warning)


def _row(*cells: str) -> str:
    return "| " + " | ".join(_escaped(one_line(x)) for x in cells) + " |"


def _escaped(text: str) -> str:
    """Return text that Markdown, and HTML in it, shows as it is.

    Whoever reads the source reads it too: no more is escaped than can mean something, a colon of an
    address on the web or an emoji among it.
    """
    return re.sub(r"([\\`*_\[\]<>#|~&@]|:(?=//|[a-z0-9_+-]+:))", r"\\\1", printable(text, 400))
