"""The HTML report: a map of the ports of all containers, in one file that loads nothing.

portmap.html is its frame, portmap.css its looks, portmap.js its filters. Without JavaScript it is
the same page but for these: the details of a container open by themselves.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from hashlib import sha256
from html import escape
from pathlib import Path
from string import Template

from pytest_exposed import __version__
from pytest_exposed.model.ports import Port, Ports
from pytest_exposed.report.finding_groups import FindingGroup, finding_groups, findings_of
from pytest_exposed.report.portmap import (
    HEADINGS,
    UNKNOWN,
    Cell,
    Column,
    cells_of,
    columns_of,
    folded,
    kind_of,
    label,
)
from pytest_exposed.report.record import ContainerRecord, HostRecord
from pytest_exposed.report.summary import summary
from pytest_exposed.text import plural, printable

_LONG = 2000
"""Characters of a message that are shown."""
_MOST_LINES = 300
"""Lines of findings, and of ports, in the details of a container."""
_MOST_TOLD = 3
"""Findings that are told beside a container's name; the others are in its details."""

_VERDICTS = {"differs": "✗", "unseen": "?", "waived": "~", "matches": "✓"}
_MARKS = {**_VERDICTS, "warning": "!"}
_KINDS = ("differs", "warning", "waived")
"""What findings are, the worst first."""
_WORDS = {"differs": "does not match", "unseen": "could not be observed", "matches": "matches"}


def write(path: Path, hosts: Sequence[HostRecord]) -> None:
    """Write the map of all hosts' containers; raises OSError."""
    style, script, frame = (_asset(f"portmap.{x}") for x in ("css", "js", "html"))
    verdicts = [_verdicts(x) for host in hosts for x in host["containers"]]
    verdicts += [["unseen"] for host in hosts if host["error"] is not None]
    counts = Counter(x for words in verdicts for x in words)
    told = summary(hosts)
    page = Template(frame).substitute(
        # The page is full of strangers' texts: it may run and load what stands here and no more.
        policy=f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'",
        style=style,
        script=script,
        title=_text(", ".join(told.split(", ")[:2])),
        summary=_text(told, _LONG),
        hosts="\n".join(line for x in hosts for line in _host(x, alone=len(hosts) == 1)),
        version=_text(__version__),
        when=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        all=len(verdicts),
        **{x: counts[x] for x in _VERDICTS},
    )
    path.write_text(page, encoding="utf-8")


def _asset(name: str) -> str:
    from importlib.resources import files  # noqa: PLC0415  # costs every run some milliseconds

    return files("pytest_exposed.report").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return what allows an element of this text, which begins on a line of its own."""
    return "sha256-" + b64encode(sha256(f"\n{text}".encode()).digest()).decode()


def _text(text: object, limit: int = 256) -> str:
    """Return text that is only text wherever it is put in the page, attributes included."""
    return escape(printable(str(text), limit))


def _verdicts(container: ContainerRecord) -> list[str]:
    """Return the verdicts that a container is found by: what is waived matches."""
    if container["error"] is not None:
        return ["unseen"]
    kinds = {kind_of(x) for x in container["findings"] or ()}
    return ["differs" if "differs" in kinds else "matches"] + ["waived"] * ("waived" in kinds)


def _host(host: HostRecord, *, alone: bool) -> Iterator[str]:
    """Yield a host's part of the page; of several hosts, those without a trouble are folded."""
    containers = host["containers"]
    trouble = host["error"] is not None or any(_verdicts(x)[0] != "matches" for x in containers)
    is_open = " open" if alone or trouble else ""
    # The line of the page's top, but for the number of hosts.
    told = summary([host]).replace(" on 1 host", "", 1) if containers else "no container"
    yield f'<details class="host" data-find="{_text(host["host"])}"{is_open}>'
    yield f"<summary><h2><bdi>{_text(host['host'])}</bdi></h2>"
    if not alone and host["error"] is None:
        yield f"<span>{_text(told, _LONG)}</span>"
    yield '<span class="shown"></span></summary>'
    if host["error"] is not None:
        yield f'<p class="error"><b>? not reached</b> <bdi>{_text(host["error"], _LONG)}</bdi></p>'
    if containers:
        yield from _table(containers)
    yield "</details>"


def _table(containers: Sequence[ContainerRecord]) -> Iterator[str]:
    rows = [cells_of(x) for x in containers]
    columns = columns_of(rows)
    yield '<table class="map"><colgroup><col class="name">'
    yield "".join('<col class="mixed">' if x.mixed else "<col>" for x in columns)
    yield '<col class="rest"></colgroup><thead><tr><th scope="col">container</th>'
    yield "".join(map(_heading, columns)) + "<td></td></tr></thead><tbody>"
    for container, cells in zip(containers, rows, strict=True):
        # What differs stands before what is a warning, and that before what is waived.
        found = sorted(finding_groups(findings_of(container)), key=lambda x: _KINDS.index(_kind(x)))
        yield _row(container, cells, columns, found)
        yield f'<tr class="more"><td colspan="{len(columns) + 2}">'
        yield from _details(container, cells, found)
        yield "</td></tr>"
    yield "</tbody></table>"


def _heading(column: Column) -> str:
    number, slash, protocol = column.label.partition("/")
    number = number.replace("-", "-<wbr>")
    return f'<th scope="col">{number}<small>{slash}{protocol}</small></th>'


def _row(
    container: ContainerRecord,
    cells: Mapping[Port, Cell],
    columns: Sequence[Column],
    causes: Sequence[FindingGroup],
) -> str:
    verdicts = _verdicts(container)
    found = [container["name"], container["image"]]
    found += [container["service"]] if container["service"] else []
    found += [x["rule"] for x in container["findings"] or ()]
    found += [x["process"] for x in container["listeners"] or () if x["process"]]
    name, image = _text(container["name"]), _text(container["image"])
    return (
        f'<tr class="{" ".join(verdicts)}" data-ports="{" ".join(Ports(cells).ranges())}" '
        f'data-find="{" ".join(map(_text, dict.fromkeys(found)))}">'
        f'<th scope="row"><details><summary title="{name}">'
        f'<b title="{_WORDS[verdicts[0]]}">{_MARKS[verdicts[0]]}</b> <bdi>{name}</bdi></summary>'
        f'</details><small title="{image}"><bdi>{image}</bdi></small>'
        + "".join(_told(container, causes))
        + "</th>"
        + "".join(_row_cells(cells, columns, unknown=container["listeners"] is None))
        + "</tr>"
    )


def _told(container: ContainerRecord, causes: Sequence[FindingGroup]) -> Iterator[str]:
    """Yield in words what the marks of a row's cells say."""
    if container["error"] is not None:
        yield f'<em class="unseen">? {_WORDS["unseen"]}</em>'
    for cause in causes[:_MOST_TOLD]:
        kind = _kind(cause)
        yield f'<em class="{kind}">{_MARKS[kind]} {_text(cause.first.rule)} {_ports(cause)}</em>'
    if len(causes) > _MOST_TOLD:
        yield f"<em>and {len(causes) - _MOST_TOLD} more</em>"


def _row_cells(
    cells: Mapping[Port, Cell], columns: Sequence[Column], *, unknown: bool
) -> Iterator[str]:
    """Yield the cells of a row, empty neighbours as one: most of a map is empty.

    Nothing is empty where nothing is known.
    """
    empty = 0
    for column in columns:
        if ports := column.of(cells):
            cell = _cell(column, [cells[x] for x in ports], ports)
        elif unknown:
            cell = f'<td class="unseen">{UNKNOWN}'
        else:
            empty += 1
            continue
        if empty:
            yield f"<td colspan={empty}>"
        empty = 0
        yield cell
    # The last is the rest of the page's width.
    yield f"<td colspan={empty}><td>" if empty else "<td>"


def _cell(column: Column, cells: Sequence[Cell], ports: Sequence[Port]) -> str:
    findings = Counter(x for cell in (cells if column.mixed else cells[:1]) for x in cell.findings)
    wrong = [rule if kind == "differs" else f"{rule} ({kind})" for rule, kind in findings]
    if column.mixed:
        text, words = plural(len(ports), "port"), [", ".join(Ports(ports).ranges()[:20])]
    else:
        text = cells[0].letters
        words = [f"{x} {y}" for x, y in zip(HEADINGS, cells[0].words(ports), strict=True)]
    kind = "unseen" if any("?" in x.letters for x in cells) else "some"
    if findings:
        kind = min((kind for _, kind in findings), key=_KINDS.index)
        text += f"<b>{_MARKS[kind]}</b>"
    title = f"{column.label}: {', '.join(words + wrong)}"
    return f'<td class="{kind}" title="{_text(title, _LONG)}">{text}'


def _details(
    container: ContainerRecord, cells: Mapping[Port, Cell], causes: Sequence[FindingGroup]
) -> Iterator[str]:
    """Yield all that is known of a container."""
    source = container["source"]
    about = [
        f"image <bdi>{_text(container['image'])}</bdi>",
        f"network <bdi>{_text(container['network_mode'])}</bdi>",
        *([f"service <bdi>{_text(container['service'])}</bdi>"] if container["service"] else ()),
        f"sockets seen by {_text(source)}" if source else "sockets not seen",
        f"id <code>{_text(container['id'][:12])}</code>",
        f"image id <code>{_text(container['image_id'].removeprefix('sha256:')[:12])}</code>",
    ]
    yield f'<div class="panel"><h3><bdi>{_text(container["name"])}</bdi></h3>'
    yield f"<p>{' · '.join(about)}</p>"
    if container["error"] is not None:
        yield (
            '<p class="error"><b>? could not be observed</b> '
            f"<bdi>{_text(container['error'], _LONG)}</bdi></p>"
        )
    if causes:
        yield '<ul class="findings">'
        yield from map(_finding, causes[:_MOST_LINES])
        yield "</ul>" + _more(len(causes))
    lines = folded(cells)
    if lines:
        yield '<table class="ports"><thead><tr>'
        for heading in ("port", *HEADINGS):
            yield f'<th scope="col">{heading}</th>'
        yield "</tr></thead><tbody>"
        for ports in lines[:_MOST_LINES]:
            words = "".join(f"<td>{_text(x, _LONG)}" for x in cells[ports[0]].words(ports))
            yield f'<tr><th scope="row">{label(ports)}</th>{words}</tr>'
        yield "</tbody></table>" + _more(len(lines))
    elif container["listeners"] is not None:
        yield "<p>No port is documented, published or listening.</p>"
    yield "</div>"


def _more(lines: int) -> str:
    return f"<p>… and {lines - _MOST_LINES} more.</p>" if lines > _MOST_LINES else ""


def _finding(cause: FindingGroup) -> str:
    """Return a finding, or several that are one but for their ports.

    Those of neighbouring ports are told of all, others of the first.
    """
    finding, kind = cause.first, _kind(cause)
    message, fix, of = cause.message, cause.fix, ""
    if len(Ports(cause.ports).ranges()) > 1 and not finding.more_ports:
        message, fix = finding.message, finding.fix
        of = f" (the first of {len(cause.ports)} ports alike)"
    reason = ""
    if kind == "waived":
        why = finding.waived or "no reason is given"
        reason = f"<p>waived: <bdi>{_text(why, _LONG)}</bdi></p>"
    return (
        f'<li class="{kind}"><b>{_MARKS[kind]} {_text(finding.rule)}</b>'
        f" <code>{_ports(cause)}</code>"
        f"<p><bdi>{_text(message, _LONG)}</bdi>{of}</p>"
        f"<p>to do: <bdi>{_text(fix, _LONG)}</bdi></p>{reason}</li>"
    )


def _kind(cause: FindingGroup) -> str:
    if cause.first.fails:
        return "differs"
    return "warning" if cause.first.waived is None else "waived"


def _ports(cause: FindingGroup) -> str:
    spans = Ports(cause.ports).ranges()
    return ", ".join(spans[:20]) + (f" and {len(spans) - 20} more" if len(spans) > 20 else "")
