"""The tests of the audit, as pytest knows them: a collector an engine, an item a container."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_exposed.audit import Audit
from pytest_exposed.audit.host import HostAudit
from pytest_exposed.engine.records import Listed
from pytest_exposed.engine.verdicts import BY_PORTS
from pytest_exposed.errors import EngineError, ExposedError, GoneError, ObservationError
from pytest_exposed.model import Container
from pytest_exposed.report import record
from pytest_exposed.report.text import failure_text, table
from pytest_exposed.rules.baseline import key
from pytest_exposed.rules.judge import brief
from pytest_exposed.text import printable


class HostCollector(pytest.Collector):
    """The tests of one engine's containers."""

    def __init__(
        self, *, whole: Audit, audit: HostAudit, chosen: Sequence[str], **rest: Any
    ) -> None:
        super().__init__(**rest)
        self.whole = whole
        self.audit = audit
        self._chosen = chosen

    def collect(self) -> Iterable[pytest.Item]:
        """Return a test for each container, or the one that says why there is none."""
        if self.audit.error is not None:
            return [HostItem.from_parent(self, name=self.name, nodeid=self.nodeid)]
        items = [
            ContainerItem.from_parent(self, name=name, listed=listed)
            for name, listed in zip(self.audit.names(), self.audit.wanted, strict=True)
        ]
        chosen = self._chosen
        return [x for x in items if not chosen or any(is_of(x.nodeid, y) for y in chosen)]


def is_of(nodeid: str, chosen: str) -> bool:
    """Return whether a test is the one of an id given on the command line, or below it."""
    return nodeid == chosen or nodeid.startswith(f"{chosen}::")


def told_of(host: HostAudit, listed: Listed, **found: Any) -> dict[str, Any]:
    """Return what is told of a container, of JSON's types."""
    name = key(listed.name, listed.labels, listed.image_id)
    return {"host": host.label, "id": listed.id, "key": name, **found}


class MismatchError(Exception):
    """A container that doesn't match, or could not be seen; its text is the test's failure."""

    def __init__(self, headline: str, text: str) -> None:
        super().__init__(text)
        self.headline = headline


class AuditItem(pytest.Item):
    """A test of the audit: shows its failures as plain text, without a traceback."""

    told: dict[str, Any] | None = None
    """What the test found, of JSON's types: it goes with its report to where all are counted."""

    def reportinfo(self) -> tuple[Any, None, str]:
        """Return what the heading of a failure says; there is no file."""
        # What stands for a file, as in the test's id: pytest tells a place where they differ.
        return self.config.rootpath / self.nodeid.partition("::")[0], None, self.name

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the text of an expected failure; a traceback only for what is a fault of ours."""
        if isinstance(excinfo.value, MismatchError):
            return self._text(excinfo.value.headline, str(excinfo.value))
        if isinstance(excinfo.value, ExposedError):
            text = str(excinfo.value)
            first, *rest = text.splitlines()
            # The first line of several reasons says which container it is, as the test's name does.
            if first.endswith(":"):
                first = f"not observed: {'; '.join(map(str.strip, rest))}"
            return self._text(first, text)
        return super().repr_failure(excinfo, style)

    def _text(self, headline: str, text: str) -> FailureText:
        in_a_line = self.config.getoption("tbstyle", "auto") == "line"
        return FailureText(headline, text, f"{self.nodeid}: {headline}" if in_a_line else None)


class HostItem(AuditItem):
    """An engine that could not be reached while others were: a failing test with its name."""

    def runtest(self) -> None:
        """Fail with why it could not be reached."""
        assert isinstance(self.parent, HostCollector)
        self.told = {"host": self.parent.audit.label}
        raise EngineError(self.parent.audit.error)


class ContainerItem(AuditItem):
    """The test of one container."""

    def __init__(self, *, listed: Listed, **rest: Any) -> None:
        super().__init__(**rest)
        self.listed = listed

    @property
    def audit(self) -> HostAudit:
        """The audit of the container's engine."""
        assert isinstance(self.parent, HostCollector)
        return self.parent.audit

    def runtest(self) -> None:
        """Pass where the container matches its image; fail with findings, or why it wasn't seen."""
        try:
            self.look()
            answer = self.audit.answer(self.listed, again=self.told is not None)
        except EngineError as error:
            self._tell(record=record.of_unseen(self.listed, str(error)))
            raise
        if isinstance(answer, GoneError):
            self._tell(gone=True)
            pytest.skip(str(answer))
        if isinstance(answer, ObservationError):
            self._tell(record=record.of_unseen(self.listed, str(answer)))
            raise answer
        unsure = [x for x in answer.notes if BY_PORTS in x]
        self._tell(record=record.of_container(answer), table=self._table(answer), unsure=unsure)
        self.user_properties.append(("exposed_source", answer.source))
        self.judge(answer)

    def _table(self, container: Container) -> str | None:
        if not self.audit.settings.tables:
            return None
        heading = f"{container} ({container.image}), seen by {container.source}"
        return "\n".join([heading, *table(container)])

    def _tell(self, **found: Any) -> None:
        """Say what was found, and in JUnit's properties where."""
        waited = self.audit.waited.get(self.listed.id, 0)
        self.told = told_of(self.audit, self.listed, waited=waited, **found)
        self.user_properties += [
            ("exposed_host", self.audit.shown),
            ("exposed_image", printable(self.listed.image)),
        ]

    def look(self) -> None:
        """Begin the round of all containers whose tests run, where this is the first of them."""
        if self.audit.round is not None:
            return
        assert isinstance(self.parent, HostCollector)
        whole = self.parent.whole
        chosen: dict[str, list[Listed]] = {}
        for item in self.session.items:
            if isinstance(item, ContainerItem) and (not whole.by_host or item.audit is self.audit):
                chosen.setdefault(item.audit.label, []).append(item.listed)
        whole.look(chosen)

    def judge(self, container: Container) -> None:
        """Raise what is wrong with a container that was seen."""
        findings = [x for x in container.findings if x.waived is None]
        if findings:
            raise MismatchError(printable(brief(findings)), failure_text(container, findings))


class FailureText:
    """What pytest prints of a failure, and the line that its summary quotes."""

    def __init__(self, headline: str, text: str, line: str | None = None) -> None:
        """Keep both; line is all that is printed with --tb=line, and pytest prints that itself."""
        self.text = text
        self.reprcrash = _Headline(headline, line or headline)
        self._is_a_line = line is not None

    def __str__(self) -> str:
        return self.text

    def toterminal(self, tw: Any) -> None:
        """Write the text; the first line as pytest marks errors."""
        if self._is_a_line:
            return
        first, _, rest = self.text.partition("\n")
        tw.line(first, red=True, bold=True)
        if rest:
            tw.line(rest)


@dataclass(frozen=True, slots=True)
class _Headline:
    message: str
    line: str

    def __str__(self) -> str:
        return self.line
