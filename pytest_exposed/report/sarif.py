"""The SARIF report, for code scanning: OASIS Static Analysis Results Interchange Format 2.1.0."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pytest_exposed import __version__
from pytest_exposed.report.once import Once, findings
from pytest_exposed.report.record import Record
from pytest_exposed.rules import RULES
from pytest_exposed.text import printable

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def write(path: Path, hosts: Sequence[Record]) -> None:
    """Write the findings as results; what could not be looked at as notifications of the run."""
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


def _rule(name: str) -> dict[str, Any]:
    rule = RULES[name]
    return {
        "id": name,
        "name": "".join(x.title() for x in name.split("-")),
        "shortDescription": {"text": rule.summary},
        "help": {"text": f"{rule.summary} {rule.help}"},
        "defaultConfiguration": {"level": "error" if "default" in rule.groups else "warning"},
        "properties": {"tags": ["containers", *rule.groups]},
    }


def _results(hosts: Sequence[Record]) -> Iterator[dict[str, Any]]:
    names = list(RULES)
    for once in findings(hosts):
        finding, rule, port = once.finding, once.finding["rule"], once.finding["port"]
        key = "\0".join((once.host["host"], once.name, rule, port or ""))
        result: dict[str, Any] = {
            "ruleId": rule,
            "ruleIndex": names.index(rule),
            "level": "error" if "default" in RULES[rule].groups else "warning",
            "message": {
                "text": f"{printable(once.who)} {port or ''}: "
                f"{finding['message']}. To do: {finding['fix']}."
            },
            "locations": [_location(once)],
            "partialFingerprints": {"finding/v1": sha256(key.encode()).hexdigest()},
        }
        if finding["waived"] is not None:
            result["suppressions"] = [
                {"kind": "external", "justification": printable(finding["waived"])}
            ]
        yield result


def _location(once: Once) -> dict[str, Any]:
    """Return where a finding is: code scanning insists on a file, so the image stands for one."""
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(once.container["image"], safe="/")},
            "region": {"startLine": 1},
        },
        "logicalLocations": [
            {
                "name": printable(once.name),
                "fullyQualifiedName": printable(f"{once.host['host']}/{once.name}"),
                "kind": "resource",
            }
        ],
    }


def _notifications(hosts: Sequence[Record]) -> Iterator[dict[str, Any]]:
    for host in hosts:
        if host["error"] is not None:
            yield {"level": "error", "message": {"text": host["error"]}}
        for container in host["containers"]:
            if container["error"] is not None:
                text = f"{printable(container['name'])} on {host['host']}: {container['error']}"
                yield {"level": "error", "message": {"text": text}}
