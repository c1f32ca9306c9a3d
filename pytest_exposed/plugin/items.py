"""The tests of the audit."""

from __future__ import annotations

import sys
from functools import cached_property
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_exposed.audit import Audit
from pytest_exposed.audit.host import HostAudit
from pytest_exposed.audit.results import FoundRecord, ItemRecord, of_listed
from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import (
    EngineError,
    ExposedError,
    GoneError,
    NotRunningError,
    ObservationError,
)
from pytest_exposed.model import NO_IMAGE, Container
from pytest_exposed.observation.attribute import BELIEVED, UNJOINED
from pytest_exposed.observation.judge import BY_PORTS, HIDDEN, RARELY, RESTARTED, RESTLESS, UNWELL
from pytest_exposed.plugin.progress import live
from pytest_exposed.report import record
from pytest_exposed.rules.judge import brief
from pytest_exposed.text import printable

if TYPE_CHECKING:
    from typing_extensions import Unpack  # typing's came with Python 3.11

    from pytest_exposed.report.dockerfile import Dockerfile

_UNSURE = (BY_PORTS, RARELY, HIDDEN, UNWELL, RESTLESS, RESTARTED, BELIEVED, UNJOINED)
"""Words of the notes that a run shows at its end, also where a container matches."""


class AuditCollector(pytest.Collector):
    """The parent of one engine's tests.

    It has what plugins read of every test's parent, as that of a doctest has: a module.
    """

    obj = module = sys.modules[__name__]
    cls = None
    instance = None

    def __init__(self, *, whole: Audit, audit: HostAudit, **rest: Any) -> None:
        super().__init__(**rest)
        self.whole = whole
        self.audit = audit

    @cached_property
    def as_function(self) -> Any:
        """A test function of pytest's at this place: it knows which fixtures there are."""
        return pytest.Function.from_parent(self, name=self.name, callobj=audits_a_container)


class MismatchError(AssertionError):
    """A container that doesn't match its image: fails its test as an assertion does."""

    def __init__(self, headline: str, text: str) -> None:
        super().__init__(text)
        self.headline = headline


def audits_a_container() -> None:
    """Do nothing: plugins that ask for a test's function get a copy of this one."""


class AuditItem(pytest.Item):
    """A test of the audit: its failures are plain text, without a traceback.

    It has what other plugins and conftests read of every test: the attributes of a function, and
    those by which a doctest is run again. It uses no fixtures, autouse ones included.
    """

    parent: AuditCollector

    record: ItemRecord | None = None
    """What the test found, in JSON's types; it is sent with the test's report."""

    module = sys.modules[__name__]
    cls = None
    instance = None

    def __init__(self, **rest: Any) -> None:
        super().__init__(**rest)
        self.originalname = self.name
        self.fixturenames: list[str] = []
        self.add_marker("exposed")
        self._initrequest()

    @cached_property
    def function(self) -> Any:
        """A function whose docstring names the container: plugins quote it, or make ids of it."""
        code, names = audits_a_container.__code__, audits_a_container.__globals__
        function = FunctionType(code, names, self.name)
        function.__doc__ = f"{self.nodeid} listens on what its image documents."
        function.__module__ = self.module.__name__
        return function

    @cached_property
    def obj(self) -> Any:
        """The same function, by pytest's other name of it; plugins wrap it."""
        return self.function

    def _initrequest(self) -> None:
        """Forget the last run's fixtures; plugins that repeat tests call it."""
        self.funcargs: dict[str, object] = {}
        self.__dict__.pop("_request", None)

    @cached_property
    def _fixtureinfo(self) -> Any:
        return self.parent.as_function._fixtureinfo  # noqa: SLF001  # plugins read it of every test

    @cached_property
    def _request(self) -> Any:
        """The request of a doctest, made when first used: other hooks get fixtures by it."""
        kind = type(self.parent.as_function._request)  # noqa: SLF001  # likewise
        return kind(self, _ispytest=True)

    def reportinfo(self) -> tuple[Any, int, str]:
        """Return the path, line and heading of a failure; there is no file."""
        path, _, own = self.nodeid.partition("::")
        # The id's first part is the path: pytest shows a location where the two differ.
        # If the id ends with the heading, pytest shows the dots before "[" as "::", as a module's.
        heading = f"container {self.name}" if "." in self.name.partition("[")[0] else self.name
        if "[" in path and own == self.name:  # one of several hosts, which is in the path
            heading = self.nodeid
        return self.config.rootpath / path, 0, heading

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the text of an expected failure; a traceback only for our own bugs."""
        if isinstance(excinfo.value, MismatchError):
            return self._text(excinfo, excinfo.value.headline)
        if isinstance(excinfo.value, ExposedError):
            first, *rest = str(excinfo.value).splitlines()
            if isinstance(excinfo.value, NotRunningError):
                first = first.partition("; the last lines of its log:")[0]
            # The first line of several reasons says which container it is, as the test's name does.
            if first.endswith(":"):
                first = f"not observed: {'; '.join(map(str.strip, rest))}"
            return self._text(excinfo, first)
        if isinstance(excinfo.value, pytest.fail.Exception):  # as pytest-timeout's
            return self._text(excinfo, str(excinfo.value))
        return super().repr_failure(excinfo, style)

    def _text(self, excinfo: pytest.ExceptionInfo[BaseException], headline: str) -> Any:
        """Return pytest's own representation of an error's text, which every report understands.

        Its location is the test's. Its message is the headline, which pytest's summary quotes.
        """
        shown = excinfo.getrepr(style="value", chain=False)
        crash = shown.reprcrash
        if crash is not None:
            crash.path, crash.lineno, crash.message = self.nodeid, 1, headline
        return shown


class HostItem(AuditItem):
    """An engine that could not be reached while others were: a failing test with its name."""

    def runtest(self) -> None:
        """Fail with why it could not be reached."""
        self.record = {"host": self.parent.audit.label}
        raise EngineError(self.parent.audit.error)


class JudgedItem(AuditItem):
    """The test of one container: it judges what was seen."""

    def __init__(self, **rest: Any) -> None:
        super().__init__(**rest)
        self.audited_as = self.nodeid
        """The test's first id, which a conftest may change."""

    @cached_property
    def audit(self) -> HostAudit:
        """The audit of the container's engine."""
        return self.parent.audit

    def describe(self, image: str) -> None:
        """Write the test's host and image into JUnit's properties."""
        self.user_properties += [
            ("exposed_host", self.audit.shown),
            ("exposed_image", printable(image)),
        ]

    def found_in(self, container: Container, dockerfile: Dockerfile | None = None) -> FoundRecord:
        """Return the record of a container that was seen, and what its test shows."""
        return {
            "record": record.of_container(container, dockerfile),
            "table": self._table(container),
            "warnings": _warnings(container),
            "unsure": self._unsure(container),
        }

    def _unsure(self, container: Container) -> list[str]:
        """Return the notes that say what was lacking; of processes, where any are shown."""
        found = [x for x in container.notes if any(sign in x for sign in _UNSURE)]
        verdict = container.verdict
        named = isinstance(verdict, ObservationError) or any(x.waived is None for x in verdict)
        if named or self.audit.settings.shows_all:
            return found
        return [x for x in found if x != HIDDEN]

    def _table(self, container: Container) -> str | None:
        """Return the table of a container's ports, where these are asked for."""
        if not self.audit.settings.tables:
            return None
        from pytest_exposed.report.text import table, titled  # noqa: PLC0415  # not for what matches

        heading = f"{titled(container)}, seen by {container.source}"
        return "\n".join([heading, *table(container)])

    def judge(self, container: Container) -> None:
        """Raise MismatchError for what is wrong with a container that was seen."""
        self.user_properties.append(("exposed_source", container.source))
        found = container.findings
        if not found:
            return
        from pytest_exposed.report import finding_groups  # noqa: PLC0415  # not for what matches
        from pytest_exposed.report.text import failure_text  # noqa: PLC0415

        warnings = finding_groups.neighbours(x for x in found if x.warns)
        self.user_properties += [
            ("exposed_warning", printable(f"{x.first.rule} {x.span}: {x.message}"))
            for x in warnings
        ]
        findings = [x for x in found if x.fails]
        if findings:
            text = failure_text(container, findings, source=self.audit.settings.tables)
            raise MismatchError(printable(brief(findings)), text)


class ContainerItem(JudgedItem):
    """The test of one container that runs."""

    def __init__(self, *, listed: Listed, **rest: Any) -> None:
        super().__init__(**rest)
        self.listed = listed

    def runtest(self) -> None:
        """Pass where the container matches its image; fail with findings, or why it wasn't seen."""
        try:
            self.look()
            with live(self.config, self) as show:
                answer = self.audit.answer(self.listed, show, again=self.record is not None)
        except EngineError as error:
            self._keep(record=record.of_unseen(self.listed, str(error)))
            raise
        if isinstance(answer, GoneError):
            self._keep(gone=True)
            pytest.skip(str(answer))
        if isinstance(answer, ObservationError):
            self._keep(record=record.of_unseen(self.listed, str(answer)))
            raise answer
        self._keep(**self.found_in(answer))
        self.judge(answer)

    def _keep(self, **found: Unpack[FoundRecord]) -> None:
        """Keep what was found as the test's record, and describe the test in JUnit's properties."""
        found["waited"] = self.audit.waited.get(self.listed.id, 0)
        found["young"] = self.audit.young.get(self.listed.id, False)
        self.record = of_listed(self.audit.label, self.listed, **found)
        self.describe(self.listed.image if self.listed.has_image else NO_IMAGE.name)

    def look(self) -> None:
        """Begin the observation of all containers whose tests run, in the first of them."""
        if self.audit.observation is not None:
            return
        whole = self.parent.whole
        chosen: dict[str, list[Listed]] = {}
        for item in self.session.items:
            if isinstance(item, ContainerItem) and (not whole.by_host or item.audit is self.audit):
                chosen.setdefault(item.audit.label, []).append(item.listed)
        whole.look(chosen)


def _warnings(container: Container) -> str | None:
    """Return the text of a container's warnings; None where there is none."""
    if isinstance(container.verdict, ObservationError):
        return None
    found = [x for x in container.verdict if x.warns]
    if not found:
        return None
    from pytest_exposed.report.text import warnings_text  # noqa: PLC0415  # not for what matches

    return warnings_text(container, found)
