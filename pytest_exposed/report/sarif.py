"""The SARIF report, for code scanning: OASIS Static Analysis Results Interchange Format 2.1.0."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from pytest_exposed import __version__
from pytest_exposed.report import links
from pytest_exposed.report.finding_groups import FindingGroup, findings_of, neighbours
from pytest_exposed.report.record import ContainerRecord, HostRecord
from pytest_exposed.report.service_groups import ServiceGroup, service_groups
from pytest_exposed.rules import RULES
from pytest_exposed.text import one_line, printable

_LONG = 4000
"""Characters of a text to keep."""
_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def write(path: Path, hosts: Sequence[HostRecord]) -> None:
    """Write findings as results, and failed observations as notifications of the run."""
    notifications = list(_notifications(hosts))
    run = {
        "tool": {
            "driver": {
                "name": "pytest-exposed",
                "semanticVersion": __version__,
                "rules": [_rule(x) for x in RULES],
            }
        },
        "invocations": [
            {
                "executionSuccessful": not notifications,
                "toolExecutionNotifications": notifications,
            }
        ],
        "results": list(_results(hosts)),
        "columnKind": "unicodeCodePoints",
    }
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _rule(name: str) -> dict[str, object]:
    rule, link = RULES[name], links.of_rule(name)
    return {
        "id": name,
        "name": "".join(x.title() for x in name.split("-")),
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": f"{rule.summary} {rule.help}"},
        "help": {"text": f"{rule.summary} {rule.help}"},
        **({"helpUri": link} if link else {}),
        "defaultConfiguration": {"level": "error" if "default" in rule.groups else "warning"},
        "properties": {"tags": ["containers", *rule.groups]},
    }


def _results(hosts: Sequence[HostRecord]) -> Iterator[dict[str, object]]:
    """Yield a result for each finding, and one for alike findings of adjoining ports.

    Code scanning accepts 25,000 results per run, which one range of ports could fill.
    """
    names = list(RULES)
    times: dict[str, int] = {}
    for one in service_groups(hosts):
        for cause in neighbours(findings_of(one.container)):
            rule, waived = cause.first.rule, cause.first.waived
            span = cause.span if cause.ports else ""
            # Code scanning knows a finding by its key again, although dynamic ports change.
            about = _process(one.container, cause) if RULES[rule].gather else span
            key = "\0".join((one.host["host"], one.name, rule, about))
            times[key] = times.get(key, 0) + 1
            key += f"\0{times[key]}" if times[key] > 1 else ""
            digest = sha256(key.encode("utf-8", "backslashreplace")).hexdigest()
            where = f" on {one.host['host']}" if len(hosts) > 1 else ""
            text = f"{one.who}{where} {span}: {cause.message}. Fix: {cause.fix}."
            result: dict[str, object] = {
                "ruleId": rule,
                "ruleIndex": names.index(rule),
                "level": "warning" if cause.first.warning else "error",
                "message": {"text": _text(text)},
                "locations": [_location(one, cause)],
                "partialFingerprints": {"finding/v1": digest},
            }
            if waived is not None:
                result["suppressions"] = [{"kind": "external", "justification": _text(waived)}]
            yield result


def _process(container: ContainerRecord, cause: FindingGroup) -> str:
    """Return the name of the process that listens on a finding's port; empty if unknown."""
    port = str(cause.first.port)
    found = (x["process"] for x in container["listeners"] or () if x["port"] == port)
    return next(found, None) or ""


def _text(text: str) -> str:
    return printable(one_line(text), _LONG)


def _location(one: ServiceGroup, cause: FindingGroup) -> dict[str, object]:
    """Return a finding's location: the line of the Dockerfile, if known.

    Code scanning requires a file: without a Dockerfile it is named after the image.
    """
    file, line = _place(one.container, cause) or (one.container["image"], 1)
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(_text(file), safe="/")},
            "region": {"startLine": line},
        },
        "logicalLocations": [
            {
                "name": _text(one.name),
                "fullyQualifiedName": _text(f"{one.host['host']}/{one.name}"),
                "kind": "resource",
            }
        ],
    }


def _place(container: ContainerRecord, cause: FindingGroup) -> tuple[str, int] | None:
    """Return the file and line in a finding's record, or None."""
    port = str(cause.first.port) if cause.first.port else None
    for x in container["findings"] or ():
        if (x["rule"], x["port"]) == (cause.first.rule, port) and "file" in x:
            return _in_repository(x["file"]), x["line"]
    return None


def _in_repository(file: str) -> str:
    """Return a file's path from the root of its repository, which code scanning takes it for.

    Without one it stays as it was typed.
    """
    path = Path(os.path.abspath(file))
    root = next((x for x in path.parents if (x / ".git").exists()), None)
    found = Path(file) if root is None else path.relative_to(root)
    return found.as_posix().removeprefix("./")


def _notifications(hosts: Sequence[HostRecord]) -> Iterator[dict[str, object]]:
    for host in hosts:
        if host["error"] is not None:
            yield {"level": "error", "message": {"text": _text(host["error"])}}
        for container in host["containers"]:
            if container["error"] is not None:
                text = f"{container['name']} on {host['host']}: {container['error']}"
                yield {"level": "error", "message": {"text": _text(text)}}
