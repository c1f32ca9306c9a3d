"""The score of trials: of each class of findings, how many were found, how many fail, what is lost.

A finding is counted for each port; those about ports that nobody chose for each process.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from corpus.table import CLASSES, DYNAMIC, Key, Service
from corpus.trial import DYNAMIC_FROM, is_client

MOMENTS = ("start", "minute")
_COLUMNS = ("fail", "warn", "lost")

Verdict = tuple[Key, str, str]
"""A finding, its class ("unexpected" where it has none), and one of _COLUMNS."""


def verdicts(service: Service, audit: Mapping[str, Any]) -> Iterator[Verdict]:
    """Yield what an audit of a service found, and what it should have found."""
    left = {key: x for key, x in service.expected.items() if x in ("act", "fact")}
    for finding in audit["findings"]:
        if finding["waived"] is not None:
            continue
        key = _key(service, finding)
        left.pop(key, None)
        column = "warn" if finding.get("warning") else "fail"
        yield key, service.expected.get(key, "unexpected"), column
    for key, kind in left.items():
        yield key, kind, "lost"


def _key(service: Service, finding: Mapping[str, Any]) -> Key:
    """Return what the table calls a finding, as an earlier version's that gave the number too."""
    key = finding["rule"], finding["port"] or ""
    number = int(key[1].partition("/")[0] or 0)
    is_old = key[0] == "undocumented" and number >= DYNAMIC_FROM and key not in service.expected
    return (DYNAMIC, "") if is_old or key[0] == DYNAMIC else key


def overlooked(record: Mapping[str, Any]) -> list[str]:
    """Return the ports that others could reach by ss, and neither image nor audit has.

    UDP sockets on ports that clients get are left out.
    """
    known = set(record["exposes"])
    for finding in record["minute"]["findings"]:
        known.update(finding.get("ports") or [finding["port"]])
    last = list(record["samples"].values())[-1]
    return sorted(
        {
            port
            for port, address, owner in last
            if owner != "dockerd" and _is_outside(address) and not is_client(port)
        }
        - known
    )


def _is_outside(address: str) -> bool:
    plain = address.removeprefix("::ffff:")
    # In a network without IPv6, :: is reached by nobody; ss calls what takes both families *.
    return not plain.startswith("127.") and plain not in ("::1", "::") and "%lo" not in plain


def show(folder: Path, services: Iterable[Service]) -> int:
    """Print a line for each service and a table for each moment; return how much is wrong.

    That is what someone should act on and that was not found, nonsense, and the unexpected.
    """
    totals = {x: Counter[tuple[str, str]]() for x in MOMENTS}
    failing, restarted, seen = Counter[str](), Counter[str](), 0
    for service in services:
        path = folder / f"{service.name}.json"
        record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if record.get("state") != "running":
            print(f"{service.name:18} {record.get('state', 'no trial')}")
            continue
        seen += 1
        words = []
        for moment in MOMENTS:
            found = list(verdicts(service, record[moment]))
            totals[moment].update((kind, column) for _, kind, column in found)
            failing[moment] += any(column == "fail" for *_, column in found)
            words.append(f"{moment}: {_brief(found)}")
        if "restart" in record:
            after = [x for x in verdicts(service, record["restart"]) if x[2] == "fail"]
            restarted["fail" if record["restart"]["status"] else "pass"] += 1
            words += [f"after a restart: {_brief(after)}"] if after else []
        if more := overlooked(record):
            words.append(f"overlooked: {' '.join(more)}")
        print(f"{service.name:18} {'; '.join(words)}")
    for moment, counts in totals.items():
        print(f"\n{moment}: {failing[moment]} of {seen} containers fail")
        print(f"{'':12}" + "".join(f"{x:>6}" for x in _COLUMNS))
        for kind in (*CLASSES, "unexpected"):
            print(f"{kind:12}" + "".join(f"{counts[kind, x]:6}" for x in _COLUMNS))
    if restarted:
        total = restarted.total()
        print(f"\nrestarted against a fresh baseline: {restarted['fail']} of {total} fail")
    return sum(_wrong(totals["minute"]))


def _wrong(counts: Mapping[tuple[str, str], int]) -> Iterator[int]:
    yield counts["act", "lost"]
    yield from (counts[x, y] for x in ("nonsense", "unexpected") for y in ("fail", "warn"))


def _brief(found: Iterable[Verdict]) -> str:
    counts = Counter(f"{kind} {column}" for _, kind, column in found)
    odd = [f"{rule} {port}".strip() for (rule, port), kind, _ in found if kind == "unexpected"]
    return ", ".join([*(f"{x} {y}" for x, y in sorted(counts.items())), *odd]) or "match"
