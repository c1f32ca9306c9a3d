"""Which findings are accepted, and for what reason: waivers, labels, a baseline. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_exposed.errors import ConfigurationError
from pytest_exposed.model import Container, Finding, names_of
from pytest_exposed.rules.baseline import REASON, Entry, key
from pytest_exposed.text import printable
from pytest_exposed.values import dataclass

if TYPE_CHECKING:
    from datetime import date

    from pytest_exposed.rules.waivers import Waiver

LABEL = "pytest-exposed.allow"
"""The label of an image or container with its own waivers: what follows a waiver's colon, separated
by lines, or by semicolons before a reason."""

_MOST_OF_A_LABEL = 64


def waivers_of(lines: Sequence[str]) -> tuple[Waiver, ...]:
    """Return the waivers of lines; ConfigurationError (a ValueError) names a malformed one."""
    if not lines:
        return ()
    from pytest_exposed.rules.waivers import Waiver  # noqa: PLC0415  # imported where there are any

    return tuple(map(Waiver.parse, lines))


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What accepts findings; nothing at all by default."""

    waivers: tuple[Waiver, ...] = ()
    labels: bool = False
    """Whether images and containers may have waivers of their own."""
    baseline: frozenset[Entry] = frozenset()

    def applied(
        self, container: Container, findings: tuple[Finding, ...], today: date
    ) -> tuple[Finding, ...]:
        """Return the findings; accepted ones have the reason."""
        own = self._own_waivers(container)[0]
        if not (own or self.waivers or self.baseline):
            return findings
        name = key(container.name, container.labels, container.image.id)
        service = container.service
        names = names_of(container.name, service.name if service else None, container.pod)

        def reason(finding: Finding) -> str | None:
            if (found := _accepted(self.waivers, names, finding, today)) is not None:
                return found
            if (found := _accepted(own, names, finding, today)) is not None:
                return ", ".join(filter(None, (found, _origin(container))))
            entry = Entry.of(name, finding.rule, finding.port)
            return REASON if entry in self.baseline else None

        return tuple(replace(x, waived=reason(x)) for x in findings)

    def notes(self, container: Container) -> tuple[str, ...]:
        """Return a note for each line of a container's label that is no waiver."""
        return self._own_waivers(container)[1]

    def _own_waivers(self, container: Container) -> tuple[list[Waiver], tuple[str, ...]]:
        text = container.labels.get(LABEL, "") if self.labels else ""
        waivers: list[Waiver] = []
        notes: list[str] = []
        lines = [x.strip() for line in text.split("\n") for x in _parts(line) if x.strip()]
        for line in lines[:_MOST_OF_A_LABEL]:
            try:
                waivers += waivers_of([f"*: {line}"])
            except ConfigurationError as error:
                why = printable(str(error).partition("is not a waiver: ")[2], 160)
                notes.append(
                    f"its label {LABEL} has a line that is not a waiver, which is RULE-OR-PORT, … "
                    f"[until YYYY-MM-DD] [# reason] there: {printable(line, 80)}: {why}"
                )
        return waivers, tuple(notes)


def _parts(line: str) -> list[str]:
    """Return what semicolons separate in a line of a label, but for those in its reason."""
    text, mark, reason = line.partition("#")
    *parts, last = text.split(";")
    return [*parts, f"{last}{mark}{reason}"]


def _accepted(
    waivers: Sequence[Waiver], names: tuple[str, ...], finding: Finding, today: date
) -> str | None:
    """Return why a finding is accepted; None unless each of its ports is."""
    from pytest_exposed.rules.waivers import reason_for  # noqa: PLC0415  # as above

    ports = finding.ports or (None,)
    reasons = [reason_for(waivers, names, finding.rule, x, today) for x in ports]
    return reasons[0] if None not in reasons else None


def _origin(container: Container) -> str:
    of_image = container.image.labels.get(LABEL) == container.labels.get(LABEL)
    return f"by the label of its {'image' if of_image else 'container'}"
