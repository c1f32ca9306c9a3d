"""The HTML report: the ports of all containers in one file that loads nothing.

portmap.html is its frame, portmap.css its style. portmap.js searches containers by text; all else
works without JavaScript.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Template

from pytest_exposed import __version__
from pytest_exposed.model.ports import Port, Ports
from pytest_exposed.report.finding_groups import FindingGroup, finding_groups, findings_of
from pytest_exposed.report.markup import LONG, digest, safe, with_code
from pytest_exposed.report.portmap import (
    HEADINGS,
    KINDS,
    Cell,
    Tile,
    cells_of,
    folded,
    kind_of,
    label,
    tiles_of,
)
from pytest_exposed.report.record import NOT_RUN, ContainerRecord, HostRecord, StoppedRecord
from pytest_exposed.report.summary import summary
from pytest_exposed.rules import RULES
from pytest_exposed.text import plural
from pytest_exposed.unpatched import now

_MOST_LINES = 300
"""Lines of findings, and of ports, in a container's details."""
_MOST_STOPPED = 50
"""Names that are shown of containers that don't run."""
_MOST_TILES = 24
"""Tiles per container: ports, or ranges of alike ports."""

_MARKS = {"differs": "✗", "unseen": "?", "warning": "!", "accepted": "~", "matches": "✓"}
"""Signs beside verdicts and findings, so that none is shown by colour alone."""
_WORDS = {
    "differs": "does not match",
    "unseen": "not judged",
    "accepted": "accepted",
    "matches": "matches",
}
_VERDICTS = ("differs", "unseen", "matches warning", "accepted", "accepted warning", "matches")
"""The classes of containers, in their order on the page."""


def write(path: Path, hosts: Sequence[HostRecord]) -> None:
    """Write the page of all hosts' containers; raises OSError."""
    style, script, frame = (_asset(f"portmap.{x}") for x in ("css", "js", "html"))
    verdicts = [_verdict(x) for host in hosts for x in host["containers"]]
    verdicts += ["unseen" for host in hosts if host["error"] is not None]
    counts = Counter(word for x in verdicts for word in x.split())
    line = summary(hosts)
    page = Template(frame).substitute(
        # The page holds untrusted texts: it may run only its own script, and load nothing.
        policy=f"default-src 'none'; style-src '{digest(style)}'; script-src '{digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'",
        style=style,
        script=script,
        title=safe(", ".join(line.split(", ")[:2])),
        summary=safe(line, LONG),
        about=_about(hosts),
        hosts="\n".join(line for x in hosts for line in _host(x, alone=len(hosts) == 1)),
        rules="\n".join(_rules(hosts)),
        version=safe(__version__),
        all=len(verdicts),
        **{x: counts[x] for x in _MARKS},
    )
    path.write_text(page, encoding="utf-8")


def _asset(name: str) -> str:
    from importlib.resources import files  # noqa: PLC0415  # takes some milliseconds

    return files("pytest_exposed.report").joinpath(name).read_text(encoding="utf-8")


def _about(hosts: Sequence[HostRecord]) -> str:
    """Return the audited host, if it is one, and the time."""
    when = now()
    shown = f"{when[:10]} {when[11:16]} UTC"
    named = f"<bdi>{safe(hosts[0]['host'])}</bdi>, " if len(hosts) == 1 else ""
    return f'{named}<time datetime="{when}">{shown}</time>'


def _verdict(container: ContainerRecord) -> str:
    """Return a container's CSS classes: its verdict, and whether it has warnings."""
    if container["error"] is not None:
        return "unseen"
    kinds = {kind_of(x) for x in container["findings"] or ()}
    verdict = next((x for x in ("differs", "accepted") if x in kinds), "matches")
    return f"{verdict} warning" if "warning" in kinds else verdict


def _host(host: HostRecord, *, alone: bool) -> Iterator[str]:
    """Yield a host's part of the page; of several hosts, those without findings are folded."""
    containers = sorted(host["containers"], key=_place)
    trouble = host["error"] is not None or any(_is_open(x) for x in containers)
    is_open = " open" if alone or trouble else ""
    # The summary at the page's top without the number of hosts.
    line = summary([host]).replace(" on 1 host", "", 1) if containers else "no container"
    yield f'<details class="host" data-find="{safe(host["host"])}"{is_open}>'
    yield f"<summary><h2><bdi>{safe(host['host'])}</bdi></h2>"
    if not alone and host["error"] is None:
        yield f"<span>{safe(line, LONG)}</span>"
    yield '<span class="shown"></span></summary>'
    if host["error"] is not None:
        error = safe(host["error"], LONG)
        yield f'<p class="error unseen"><b>? not reached</b> <bdi>{error}</bdi></p>'
    for container in containers:
        yield from _container(container)
    if stopped := host.get("not_running"):
        yield f'<p class="idle">{_stopped(stopped)}</p>'
    yield "</details>"


def _stopped(stopped: Sequence[StoppedRecord]) -> str:
    """Return the names of containers that don't run, with how each ended."""
    names = []
    for one in stopped[:_MOST_STOPPED]:
        code = "" if one["exit_code"] is None else f" {one['exit_code']}"
        names.append(f"<bdi>{safe(one['name'])}</bdi> ({safe(one['state'])}{code})")
    names += [f"{len(stopped) - _MOST_STOPPED} more"] if len(stopped) > _MOST_STOPPED else []
    number = plural(len(stopped), "container")
    return f"{number} not running, and not audited: {', '.join(names)}"


def _place(container: ContainerRecord) -> int:
    verdict = _verdict(container)
    return 0 if verdict.startswith("differs") else _VERDICTS.index(verdict)


def _is_open(container: ContainerRecord) -> bool:
    """Return whether a container's details are open at first: something is wrong."""
    return _verdict(container).split()[0] in ("differs", "unseen")


def _container(container: ContainerRecord) -> Iterator[str]:
    """Yield a container: its name and tiles, and its details, which can be opened."""
    cells = cells_of(container)
    verdict = _verdict(container)
    kind = verdict.split()[0]
    found = [container["name"], container["image"]]
    found += [container["service"]] if container["service"] else []
    found += [x["rule"] for x in container["findings"] or ()]
    found += [x["process"] for x in container["listeners"] or () if x["process"]]
    is_open = " open" if _is_open(container) else ""
    yield (
        f'<details class="container {verdict}" data-ports="{" ".join(Ports(cells).ranges())}" '
        f'data-find="{" ".join(map(safe, dict.fromkeys(found)))}"{is_open}>'
        f'<summary><h3><i role="img" aria-label="{_WORDS[kind]}">{_MARKS[kind]}</i>'
        f" <bdi>{safe(container['name'])}</bdi></h3>"
        f"<small><bdi>{safe(container['image'])}</bdi></small>"
        f'<span class="tiles">{"".join(_tiles(container, cells))}</span></summary>'
    )
    yield from _details(container, cells)
    yield "</details>"


def _tiles(container: ContainerRecord, cells: Mapping[Port, Cell]) -> Iterator[str]:
    """Yield the tiles of a container's ports, the worst first."""
    tiles = tiles_of(cells)
    tiles += [
        Tile("container", "", kind_of(x), (x["rule"],))
        for x in container["findings"] or ()
        if x["port"] is None
    ]
    tiles.sort(key=lambda x: KINDS.index(x.kind))
    for tile in tiles[:_MOST_TILES]:
        rules = "".join(f" <em>{_MARKS[tile.kind]} {safe(x)}</em>" for x in tile.rules)
        yield f'<span class="{tile.kind}"><b>{tile.label}</b> {tile.brief}{rules}</span>'
    if len(tiles) > _MOST_TILES:
        yield f'<span class="more">and {len(tiles) - _MOST_TILES} more</span>'
    if container["listeners"] is None and not tiles:
        yield '<span class="unseen"><b>ports</b> unknown</span>'


def _details(container: ContainerRecord, cells: Mapping[Port, Cell]) -> Iterator[str]:
    """Yield a container's details: findings, ports and facts."""
    yield '<div class="panel">'
    if container["error"] is not None:
        what = "not judged" if container["error"] == NOT_RUN else "could not be judged"
        error = safe(container["error"], LONG)
        yield f'<p class="error"><b>? {what}</b> <bdi>{error}</bdi></p>'
    groups = finding_groups(findings_of(container))
    if groups:
        yield '<ul class="findings">'
        ordered = sorted(groups, key=lambda x: KINDS.index(_kind(x)))
        yield from map(_finding, ordered[:_MOST_LINES])
        yield "</ul>" + _more(len(groups))
    if lines := folded(cells):
        yield '<table class="ports"><thead><tr>'
        for heading in ("port", *HEADINGS):
            yield f'<th scope="col">{heading}</th>'
        yield "</tr></thead><tbody>"
        yield from (_line(x, cells[x[0]]) for x in lines[:_MOST_LINES])
        yield "</tbody></table>" + _more(len(lines))
    elif container["listeners"] is not None:
        yield "<p>No port is documented, published or listening.</p>"
    for note in container.get("notes", ()):
        yield f"<p>Note: <bdi>{safe(note, LONG)}</bdi></p>"
    yield f"<p>{', '.join(_facts(container))}</p></div>"


def _facts(container: ContainerRecord) -> Iterator[str]:
    """Yield facts about a container beside its name and image."""
    for name, value in (
        ("network", container["network_mode"]),
        ("service", container["service"]),
        ("pod", container.get("pod")),
    ):
        if value:
            yield f"{name} <bdi>{safe(value)}</bdi>"
    source = container["source"]
    yield f"sockets seen by {safe(source)}" if source else "sockets not seen"
    for name, value in (("id", container["id"]), ("image id", container["image_id"])):
        if value:
            yield f"{name} <code>{safe(value.removeprefix('sha256:')[:12])}</code>"


def _line(ports: Sequence[Port], cell: Cell) -> str:
    """Return the row of a port, or of a range of alike ports."""
    words = "".join(f"<td>{safe(x, LONG)}</td>" for x in cell.words(ports))
    mark = f"{_MARKS[cell.kind]} " if cell.findings else ""
    return f'<tr class="{cell.kind}"><th scope="row">{mark}{label(ports)}</th>{words}</tr>'


def _more(lines: int) -> str:
    return f"<p>… and {lines - _MOST_LINES} more.</p>" if lines > _MOST_LINES else ""


def _finding(group: FindingGroup) -> str:
    """Return a group of findings that differ only by port.

    Adjoining ports are shown as one.
    """
    finding, kind = group.first, _kind(group)
    message, fix, of = group.message, group.fix, ""
    spans = Ports(group.ports).ranges()
    ports = ", ".join(spans[:20]) + (f" and {len(spans) - 20} more" if len(spans) > 20 else "")
    if len(spans) > 1 and not finding.more_ports:
        message, fix = finding.message, finding.fix
        of = f" (the first of {len(group.ports)} such ports)"
    reason = ""
    if kind == "accepted":
        why = finding.waived or "no reason is given"
        reason = f'<p class="reason"><span>Accepted:</span> <bdi>{safe(why, LONG)}</bdi></p>'
    rule = safe(finding.rule)
    if finding.rule in RULES:
        rule = f'<a href="#rule-{finding.rule}">{rule}</a>'
    return (
        f'<li class="{kind}"><b>{_MARKS[kind]} {rule}</b> {ports}'
        f"<p><bdi>{safe(message, LONG)}</bdi>{of}</p>"
        f'<p class="fix"><span>Fix:</span> <bdi>{safe(fix, LONG)}</bdi></p>{reason}</li>'
    )


def _kind(group: FindingGroup) -> str:
    """Return a finding's effect on its container: see kind_of."""
    if group.first.fails:
        return "differs"
    return "warning" if group.first.waived is None else "accepted"


def _rules(hosts: Sequence[HostRecord]) -> Iterator[str]:
    """Yield each broken rule, with its reason and what to do."""
    broken = {y["rule"] for host in hosts for x in host["containers"] for y in x["findings"] or ()}
    names = [x for x in RULES if x in broken]
    if not names:
        return
    yield '<section id="rules"><h2>Rules that were broken</h2><dl>'
    for name in names:
        rule = RULES[name]
        yield (
            f'<div><dt id="rule-{name}">{name}</dt>'
            f"<dd><b>{safe(rule.summary)}</b> {with_code(rule.help)}</dd></div>"
        )
    yield "</dl></section>"
