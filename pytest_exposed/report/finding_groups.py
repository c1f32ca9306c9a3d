"""Groups of findings that differ only by port, to be shown once. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pytest_exposed.model import Finding
from pytest_exposed.model.ports import Port, adjoining
from pytest_exposed.report.record import ContainerRecord, ports_of
from pytest_exposed.rules.rule import LAYER
from pytest_exposed.text import plural
from pytest_exposed.values import dataclass


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """A finding, with the ports of all findings that differ from it only by port number."""

    first: Finding
    ports: tuple[Port, ...]
    """Sorted; empty for a finding about the container."""

    @property
    def span(self) -> str:
        """The ports in short: "80/tcp", "10001-12000/tcp", "3 ports"; "-" for none."""
        if self.first.more_ports:
            return plural(len(self.first.ports), "port")
        return f"{self._numbers}/{self.ports[0].protocol}" if self.ports else "-"

    @property
    def message(self) -> str:
        """What is wrong, for all ports."""
        return self._of_all(self.first.message)

    @property
    def fix(self) -> str:
        """What to do, for all ports."""
        return self._of_all(self.first.fix)

    @property
    def _numbers(self) -> str:
        first, last = self.ports[0].number, self.ports[-1].number
        return str(first) if first == last else f"{first}-{last}"

    def _of_all(self, text: str) -> str:
        several = len(self.ports) > 1 and not self.first.more_ports
        return _with(self._numbers, self.ports[0], text) if several else text


def finding_groups(findings: Iterable[Finding]) -> list[FindingGroup]:
    """Return the findings in order, grouped if they differ only by port."""
    found: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        texts: tuple[str, ...] = (finding.message, finding.fix)
        if finding.port is not None:
            port = finding.port
            texts = (port.protocol, *(_with("\0", port, x) for x in texts))
        alike = finding.rule, finding.waived, finding.warning
        found.setdefault((*alike, *texts), []).append(finding)
    return [FindingGroup(x[0], tuple(port for y in x for port in y.ports)) for x in found.values()]


def neighbours(findings: Iterable[Finding]) -> list[FindingGroup]:
    """Return the findings sorted by port; alike ones of adjoining ports are grouped."""
    by_place = list(findings)
    place = {(x.rule, x.port): number for number, x in enumerate(by_place)}
    found: list[FindingGroup] = []
    for cause in finding_groups(by_place):
        if cause.first.more_ports or not cause.ports:
            found.append(cause)
            continue
        for run in adjoining(cause.ports):
            first = by_place[place[cause.first.rule, run[0]]]
            found.append(FindingGroup(first, tuple(run)))
    return sorted(found, key=lambda x: place[x.first.rule, x.first.port])


def findings_of(container: ContainerRecord) -> list[Finding]:
    """Return the findings in a container's record."""
    return [
        Finding(
            x["rule"],
            next(iter(ports_of(x)), None),
            x["message"],
            x["fix"],
            x["waived"],
            tuple(ports_of(x)[1:]),
            warning=x.get("warning", False),
        )
        for x in container["findings"] or ()
    ]


def _with(numbers: str, port: Port, text: str) -> str:
    """Return a text with a port's number replaced by other numbers."""
    own = str(port.number)
    ours, layer, quoted = text.partition(LAYER)
    # A layer's command is the same for each of its ports.
    if set(re.findall("[0-9]+", quoted)) != {own}:
        text, rest = ours, layer + quoted
    else:
        rest = ""
    # The same number in a name, version or address stays: web-80, 10.0.0.80. One pattern for all
    # ports: to compile one for each would take longer than all else in a report of many.
    number = r"(?<![\w.-])[0-9]+(?![\w-]|\.\w)"
    return re.sub(number, lambda x: numbers if x[0] == own else x[0], text) + rest
