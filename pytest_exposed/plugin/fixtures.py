"""What the fixtures return: checks bound to an engine, which remember what they looked at."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from opcode import opmap
from tempfile import NamedTemporaryFile
from types import FrameType
from typing import Any

import pytest

from pytest_exposed.assertions import checks, matching, publishing
from pytest_exposed.assertions.result import Check
from pytest_exposed.audit import Audit, labels_of
from pytest_exposed.audit.settings import Settings
from pytest_exposed.engine.hosts import resolve
from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import (
    EngineError,
    ExposedError,
    GoneError,
    UnassertedWarning,
)
from pytest_exposed.model import Container, Observed
from pytest_exposed.model.ports import PortsLike
from pytest_exposed.observation import Engine
from pytest_exposed.observation.judge import HIDDEN
from pytest_exposed.plugin.progress import say
from pytest_exposed.report.text import findings_lines, starting, table
from pytest_exposed.sockets.chain import REMOTE
from pytest_exposed.text import printable
from pytest_exposed.unpatched import monotonic

_FRESH = 5.0
"""For how many seconds a look by helper or exec serves further tests of its containers."""

ParameterSet = Any
"""What pytest.param returns; pytest has no public name for it."""


def running(settings: Settings, file: str | None, begun: Audit | None) -> Audit:
    """Return the engines' running containers, one list for all processes that share a file.

    They are those of the audit that the run has begun, if it lists any that run.
    The first process publishes its list by linking it to the file's name, which succeeds once.
    """
    if begun is not None and begun.settings.audits_running:
        return begun
    settings = replace(settings, audits_running=True, runs=())
    if file is None:
        audit = Audit.reach(settings)
        audit.close()
        return audit
    if not os.path.exists(file):
        audit = Audit.reach(settings)
        with NamedTemporaryFile("w", dir=os.path.dirname(file), encoding="utf-8") as own:
            own.write(audit.dump())
            own.flush()
            with suppress(FileExistsError):
                os.link(own.name, file)
        audit.close()
    with open(file, encoding="utf-8") as shared:
        return Audit.load(shared.read(), settings)


def runs_of_containers(audit: Audit) -> list[ParameterSet]:
    """Return the parameters of a test that runs for each running container: engine, container."""
    runs = []
    for host in audit.hosts:
        place = audit.settings.hosts.index(host.host)  # of two names of one engine one is there
        prefix = f"{host.label}-" if len(audit.hosts) > 1 else ""
        runs += [
            pytest.param(place, (x, host.wanted), id=prefix + printable(x.name))
            for x in host.wanted
        ]
        if host.error is not None:  # the engine's fixture will say it, in a test that fails
            runs.append(pytest.param(place, None, id=prefix + "unreachable"))
        elif not host.wanted:
            none = pytest.mark.skip(reason=f"no container to test: {host.header()}")
            runs.append(pytest.param(place, None, id=prefix + "none", marks=none))
    return runs


def runs_of_engines(settings: Settings) -> list[ParameterSet]:
    """Return the parameters of a test that runs for each engine."""
    labels = labels_of([resolve(x) for x in settings.hosts])
    return [pytest.param(place, id=label) for place, label in enumerate(labels)]


def title_of(container: Container) -> str:
    """Return the title of a container's table in the report of a failed test."""
    return f"Ports of {container}"


def tables(
    looked: Mapping[str, Container], findings: Mapping[str, list[str]]
) -> list[tuple[str, str]]:
    """Return title, findings and table of ports of each container that was looked at, by id."""
    found = [(title_of(x), [*findings.get(key, ()), *table(x)]) for key, x in looked.items()]
    if any(HIDDEN in x.notes for x in looked.values()):
        found[-1][1].append(f"note: {HIDDEN}")
    return [(title, "\n".join(lines)) for title, lines in found]


class Checker:
    """The checks of one engine; remembers the containers that a test looked at."""

    def __init__(self, engine: Engine, grace: float) -> None:
        """Bind the checks to an engine; grace is what container_matches_image waits."""
        self.engine = engine
        self.grace = grace
        self._looked: dict[str, Container] = {}
        self._findings: dict[str, list[str]] = {}
        self._round: dict[str, Observed] = {}
        self._looked_at = 0.0
        self._failure: EngineError | None = None

    def close(self) -> None:
        """Close the engine, and say where its helper may be left."""
        left = self.engine.observer.close(sweep=True)
        say([left] if left else [])

    def forget(self) -> None:
        """Forget what was looked at: another test begins."""
        self._looked.clear()
        self._findings.clear()

    def sections(self) -> list[tuple[str, str]]:
        """Return title, findings and table of ports of each container that was looked at."""
        return tables(self._looked, self._findings)

    def look(self, listed: Listed, together: Sequence[Listed]) -> Container:
        """Return a snapshot of one of the containers listed before; skip the test if it is gone.

        The first time, all are observed together. What a slow source saw, helper or exec, serves
        for some seconds; by netlink and procfs each container is observed again.
        """
        answer: Observed | EngineError | None = self._failure
        if answer is None:
            try:
                answer = self._look(listed, together)
            except EngineError as error:  # it would be waited for once more in each test
                answer = self._failure = error
        if isinstance(answer, GoneError):
            pytest.skip(str(answer))
        if not isinstance(answer, Container):
            # No frame of the test's is in a traceback.
            raise pytest.fail.Exception(str(answer), pytrace=False)
        self._looked[answer.id] = answer
        return answer

    def _look(self, listed: Listed, together: Sequence[Listed]) -> Observed:
        known = self._round.get(listed.id)
        is_remote = isinstance(known, Container) and known.source in REMOTE
        if known is not None and is_remote and monotonic() - self._looked_at < _FRESH:
            return known
        everyone = self.engine.observer.running()
        if known is not None and not is_remote:
            return self.engine.observer.observe([listed], everyone, owners=True)[listed.id]
        self._round = self.engine.observer.observe(together, everyone, owners=True)
        self._looked_at = monotonic()
        return self._round[listed.id]

    def ask(self, question: Callable[[], Check]) -> Check:
        """Return the answer to a question; an error of ours is raised without its inner frames."""
        __tracebackhide__ = True
        try:
            check = question()
        except ExposedError as error:
            raise error.with_traceback(None) from None
        self._looked.update((x.id, x) for x in check.containers)
        if check.findings:
            found = check.containers[0]
            lines = findings_lines(check.findings, starting=starting(found))
            self._findings[found.id] = [*lines, ""]
        if _is_dropped(sys._getframe(2)):  # noqa: SLF001  # the fixture's caller
            warnings.warn(
                UnassertedWarning(f"a check is not asserted, write `assert`: {check}"), stacklevel=3
            )
        return check


def _is_dropped(caller: FrameType) -> bool:
    """Return whether a caller drops what it is about to get: the call is a whole statement."""
    if sys.implementation.name != "cpython":
        return False
    code = caller.f_code.co_code
    place = caller.f_lasti + 2
    # Since CPython 3.11 instructions are followed by room for what is known of them (dis).
    while code[place] == opmap.get("CACHE"):
        place += 2
    return code[place] == opmap["POP_TOP"]


class _Bound:
    """A check bound to an engine."""

    name = ""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker

    def __repr__(self) -> str:
        return self.name


class ContainerListensOn(_Bound):
    """`container_listens_on("web", 80)`: every port has a reachable listener."""

    name = "container_listens_on"

    def __call__(
        self,
        container: object,
        *ports: PortsLike,
        within: float = 0,
        only: bool = False,
        during: float = 0,
    ) -> Check:
        """Return whether every port has a reachable listener in the container.

        A port is 80, "80/tcp", "8000-8003/udp", Ports, or has an address, "127.0.0.1:9000/tcp":
        then a listener must be bound exactly there. within is how many seconds it may take. only
        asks that nothing else is listening, ephemeral UDP aside; with during, at no moment of so
        many seconds.
        """
        __tracebackhide__ = True
        engine = self._checker.engine
        return self._checker.ask(
            lambda: checks.container_listens_on(
                engine, container, *ports, within=within, only=only, during=during
            )
        )


class ContainerPublishes(_Bound):
    """`container_publishes("web", "8080:80")`: every port is published."""

    name = "container_publishes"

    def __call__(self, container: object, *ports: PortsLike) -> Check:
        """Return whether every port is published.

        "80" is published on any port of the host, "8080:80" on that one at any of its addresses,
        127.0.0.1 too, "0.0.0.0:8080:80" and "127.0.0.1:8080:80/tcp" at that address.
        """
        __tracebackhide__ = True
        engine = self._checker.engine
        return self._checker.ask(lambda: publishing.container_publishes(engine, container, *ports))


class ContainerMatchesImage(_Bound):
    """`container_matches_image("web")`: the rules find nothing wrong."""

    name = "container_matches_image"

    def __call__(
        self,
        container: object,
        ignore: str | Iterable[str] = (),
        allow: PortsLike = (),
        *,
        documented: str | None = None,
    ) -> Check:
        """Return whether the rules find nothing wrong with a container.

        ignore are rules and groups not to judge by; allow are rules and ports whose findings are
        accepted: "silent", 9000, "8000-8003/udp". documented="run" takes what the container
        declares (--expose, -p) as documentation, too.
        """
        __tracebackhide__ = True
        engine, grace = self._checker.engine, self._checker.grace
        return self._checker.ask(
            lambda: matching.container_matches_image(
                engine, container, ignore, allow, documented=documented, grace=grace
            )
        )


class ImageExposes(_Bound):
    """`image_exposes("webapp", 80)`: the image documents every port."""

    name = "image_exposes"

    def __call__(self, image: object, *ports: PortsLike, only: bool = False) -> Check:
        """Return whether an image documents every port; with only, no others."""
        __tracebackhide__ = True
        engine = self._checker.engine
        return self._checker.ask(lambda: checks.image_exposes(engine, image, *ports, only=only))
