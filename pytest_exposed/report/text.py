"""Texts for the terminal: findings, the table of ports, the rules, differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from textwrap import fill

from pytest_exposed.errors import ObservationError, PortError
from pytest_exposed.model import Container, Finding, Listener, Publication, by_port
from pytest_exposed.model.ports import Port, Ports, adjoining
from pytest_exposed.observation.judge import HIDDEN
from pytest_exposed.report.finding_groups import neighbours
from pytest_exposed.rules import RULES
from pytest_exposed.rules.judge import discovery_ports
from pytest_exposed.rules.on_demand import on_demand
from pytest_exposed.text import plural, printable
from pytest_exposed.values import dataclass

_HEADINGS = ("PORT", "DOCUMENTED", "PUBLISHED", "LISTENING", "PROCESS")
_MOST_OF_A_RULE = 10


def failure_text(container: Container, findings: Sequence[Finding], *, source: bool = False) -> str:
    """Return a container's findings, with what to do about each, and its table of ports.

    source says whether the first line names the source of its sockets.
    """
    seen = f", seen by {container.source}," if source else ""
    lines = [f"{titled(container)}{seen} does not match its image"]
    lines += findings_lines(findings, starting=starting(container))
    return "\n".join([*lines, "", *table(container)])


def warnings_text(container: Container, findings: Sequence[Finding]) -> str:
    """Return a container's warnings; alike tasks of a service have the same text.

    The last line of each warning says what to do.
    """
    heading = _with_image(container.role, container)
    return "\n".join([heading, *findings_lines(findings, starting=starting(container))])


def titled(container: Container) -> str:
    """Return a container's name with its image, unless the name is the image."""
    return _with_image(str(container), container)


def _with_image(name: str, container: Container) -> str:
    image = str(container.image)
    return name if name == image else f"{name} ({image})"


def starting(container: Container) -> str:
    """Return a container's name if its service may still start, or "".

    It can't if another command runs instead.
    """
    return container.role if container.just_started and container.substitute is None else ""


def findings_lines(findings: Sequence[Finding], *, starting: str = "") -> list[str]:
    """Return two lines for each of a rule's first ten findings: what is wrong and what to do.

    Alike findings of adjoining ports are one. starting is the name of a container whose service may
    still start: findings of silent ports mention it.
    """
    young = f"; {starting} has been up for less than a minute" if starting else ""
    causes = neighbours(findings)
    rule_width = max((len(x.first.rule) for x in causes), default=0)
    port_width = max((len(x.span) for x in causes), default=0)
    lines = []
    cut: dict[str, list[Port]] = {}
    counts: Counter[str] = Counter()
    for cause in causes:
        rule = cause.first.rule
        counts[rule] += 1
        if counts[rule] > _MOST_OF_A_RULE:
            cut.setdefault(rule, []).extend(cause.ports)
            continue
        more = young if rule in ("silent", "published-silent") else ""
        lines.append(f"  {rule:{rule_width}}  {cause.span:{port_width}}  {cause.message}{more}")
        lines.append(" " * (rule_width + port_width + 6) + cause.fix)
    for rule, ports in cut.items():
        lines.append(
            f"  {rule:{rule_width}}  and {plural(len(ports), 'more port')}: "
            + printable(str(Ports(ports)))
        )
    return lines


@dataclass(slots=True)
class _Row:
    """A port of the table; adjoining ones that are alike share a line."""

    port: Port
    documented: str
    published: tuple[Publication, ...]
    listeners: tuple[Listener, ...]
    on_demand: bool
    multicast: bool

    def cells(self, last: int) -> tuple[str, ...]:
        """Return the cells of a line from this port to the last number."""
        number = self.port.number
        span = last - number
        port = f"{number}{_until(number, span)}/{self.port.protocol}"
        published = [
            x.endpoint
            + (_until(x.host_port, span) if x.host_port else "")
            + (" (ingress)" if x.ingress else "")
            for x in self.published
        ]
        answers = any(x.kind == "reachable" for x in self.listeners)
        listening = [
            x.endpoint
            + _until(x.port.number, span)
            + _kind(x, answers=answers, multicast=self.multicast)
            for x in self.listeners
        ]
        owners = sorted({x for listener in self.listeners for x in listener.owners})
        processes = [str(x) for x in owners[:3]] + [f"{len(owners) - 3} more"] * (len(owners) > 3)
        return (
            port,
            self.documented,
            ", ".join(published) or "-",
            ", ".join(listening) or ("on demand" if self.on_demand else "-"),
            ", ".join(processes) or "-",
        )

    def alike(self) -> tuple[object, ...]:
        """Return the values that adjoining ports must have in common to share a line."""
        return (
            self.documented,
            self.on_demand,
            self.multicast,
            [(x.host_ip, x.offset, x.ingress) for x in self.published],
            [(x.address, x.traits, x.v6only, x.owners) for x in self.listeners],
        )


def _until(number: int, span: int) -> str:
    return f"-{number + span}" if span else ""


def _kind(listener: Listener, *, answers: bool, multicast: bool) -> str:
    """Return the remark on a listener; answers says whether any listener of its port is reachable.

    An unreachable IPv6 listener is no fault if another address answers. multicast says whether the
    port is one of multicast discovery.
    """
    what = ["IPv6 only"] if listener.v6only else []
    what += ["multicast"] if multicast and listener.kind == "reachable" else []
    usual = ("reachable", "unreachable") if listener.v6only and answers else ("reachable",)
    what += [x for x in listener.traits if x not in usual]
    return f" ({', '.join(what)})" if what else ""


def table(container: Container) -> list[str]:
    """Return the table of a container's ports, and below it its notes."""
    rows = [_HEADINGS, *_rows(container)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(f"{c:{w}}" for c, w in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    if len(rows) == 1:
        lines = ["no port is documented, published or listening"]
    # This is said once per run.
    lines += [f"note: {x}" for x in container.notes if x != HIDDEN]
    if not isinstance(container.verdict, ObservationError):
        warnings = neighbours(x for x in container.verdict if x.warns)
        lines += [f"warning: {x.first.rule} {x.span}".removesuffix(" -") for x in warnings]
        waived = neighbours(x for x in container.verdict if x.waived is not None)
        lines += [
            f"accepted: {x.first.rule} {x.span}".removesuffix(" -")
            + (f" ({printable(x.first.waived)})" if x.first.waived else "")
            for x in waived
        ]
    return lines


def _rows(container: Container) -> list[tuple[str, ...]]:
    listeners = by_port(container.listeners)
    publications = by_port(container.published)
    ports = {*container.documented, *container.declared, *listeners, *publications}
    asked_for, discovery = on_demand(container), discovery_ports(container)
    rows: dict[Port, _Row] = {}
    for port in ports:
        documented = "-"
        if port in container.image.documented:
            documented = "yes"
        elif port in container.declared:
            documented = "run time"
        rows[port] = _Row(
            port,
            documented,
            tuple(publications.get(port, ())),
            tuple(listeners.get(port, ())),
            port in asked_for,
            port in discovery,
        )
    runs = adjoining(rows, lambda x, y: rows[x].alike() == rows[y].alike())
    return [rows[run[0]].cells(run[-1].number) for run in sorted(runs)]


def reference() -> str:
    """Return the rules with their groups, reasons and fixes."""
    blocks = []
    for rule in RULES.values():
        text = fill(rule.help, 88, initial_indent="    ", subsequent_indent="    ")
        blocks.append(
            f"{rule.name}  ({', '.join(rule.groups) or 'all'})\n    {rule.summary}\n{text}"
        )
    return "\n\n".join(blocks)


def explain_difference(op: str, left: object, right: object) -> list[str] | None:
    """Return why `left op right` is false; None if it is no comparison of ports."""
    try:
        if op in ("in", "not in") and isinstance(right, Ports):
            asked = Ports.parse(left)  # type: ignore[arg-type]  # parsed before
            first = f"{asked} {op} {right!r}"
            missing = asked - right
            return [first, f"not among them: {missing}" if missing else "all of it is among them"]
        one, other = Ports.parse(left), Ports.parse(right)  # type: ignore[arg-type]  # as compared
    except PortError:
        return None
    lines = [f"{one!r} {op} {other!r}"]
    if one - other:
        lines.append(f"only left:  {one - other}")
    if other - one:
        lines.append(f"only right: {other - one}")
    if one == other:
        lines.append("both are the same")
    return lines
