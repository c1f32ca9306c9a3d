"""Watching containers for some seconds: which sockets were seen, from when until when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import field, replace

from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import EngineError, ObservationError
from pytest_exposed.model import Container, Finding, Listener, Observed
from pytest_exposed.model.ports import Port
from pytest_exposed.observation.judge import RARELY, RESTARTED
from pytest_exposed.observation.observe import Observer
from pytest_exposed.rules.judge import findings
from pytest_exposed.sockets.kept import Kept
from pytest_exposed.text import plural
from pytest_exposed.unpatched import monotonic, pause, today
from pytest_exposed.values import dataclass

_STEP = 0.4
"""Seconds from one look to the next: more than two looks a second."""

_LEAST = 0.05
"""Seconds between two looks that take longer than that."""

_WHOLE = 15.0
"""Seconds after which each container is observed again even if its sockets have not changed."""

_SHORT = 1.0
"""Seconds within which a listener that was there before is first seen."""


@dataclass(slots=True)
class Sighting:
    """A socket that was seen, with its first and its last moment in seconds of the watch."""

    listener: Listener
    first: float
    last: float


@dataclass(slots=True)
class Watch:
    """What was seen of containers since it began."""

    observer: Observer
    began: float = field(default_factory=monotonic)
    _seconds: float = 0
    """For how long it has looked."""
    _looks: Counter[str] = field(default_factory=Counter)
    """How many looks saw each container: one that could not be seen was not watched."""
    _seen: dict[str, dict[object, Sighting]] = field(default_factory=dict)
    _last: dict[str, Container] = field(default_factory=dict)
    """The last snapshot of each container."""
    _restarts: dict[str, int] = field(default_factory=dict)
    """How often those were restarted that did not run all the time."""

    def looks(
        self, wanted: Sequence[Listed | Container], seconds: float
    ) -> Iterator[dict[str, Observed]]:
        """Yield one look at all containers after another, until seconds have passed.

        A restarted container is looked at like any other. Where sockets have not changed, the last
        look's answer stays; now and then each is observed again. Raises EngineError.
        """
        began = whole = monotonic()
        deadline = began + seconds
        ids = {x.id for x in wanted}
        found: dict[str, Observed] = {}
        with closing(Kept()) as kept:
            while (left := deadline - monotonic()) > 0:
                looked = monotonic()
                same: set[str] = set()
                if looked - whole < _WHOLE:
                    same = kept.unchanged(x for x, y in found.items() if _is_netlinks(y))
                else:
                    whole = looked
                if same != ids:
                    fresh = self._look(ids - same, kept)
                    found = {x: y for x, y in found.items() if x in same} | fresh
                self.note(found, looked)
                self._looks.update(x for x, y in found.items() if isinstance(y, Container))
                yield found
                self._seconds = monotonic() - began
                pause(min(max(_STEP - (monotonic() - looked), _LEAST), left))

    def _look(self, ids: Collection[str], kept: Kept) -> dict[str, Observed]:
        """Return what is seen of the containers that still run."""
        everyone = self.observer.running()
        now = [x for x in everyone if x.id in ids]
        first = self._seen.keys().isdisjoint(ids)
        found = self.observer.observe(now, everyone, owners=first, rules=(), kept=kept)
        if new := [x for x in now if not first and self._has_news(found[x.id])]:
            # A socket may be gone in the next look, and with it the process that holds it.
            found |= self.observer.observe(new, everyone, owners=True, rules=())
        return found

    def note(self, found: Mapping[str, Observed], at: float) -> None:
        """Add what was seen at a moment of unpatched.monotonic()."""
        moment = at - self.began
        for identity, answer in found.items():
            if not isinstance(answer, Container):
                continue
            self._last[identity] = answer
            seen = self._seen.setdefault(identity, {})
            for listener in answer.listeners:
                if listener.kind == "ephemeral":
                    continue
                known = seen.get(_key(listener))
                if known is None:
                    seen[_key(listener)] = Sighting(listener, moment, moment)
                else:
                    known.last = moment
                    if listener.owners:
                        known.listener = listener

    def _has_news(self, answer: Observed) -> bool:
        if not isinstance(answer, Container):
            return False
        seen = self._seen.get(answer.id, {})
        return any(x.kind != "ephemeral" and _key(x) not in seen for x in answer.listeners)

    def merged(self, answer: Observed) -> Observed:
        """Return the last answer for a container, judged by all that was seen of it.

        A listener that is gone counts like one that is there. But a documented or published port
        must have its listener at the end. A dynamic listener that a single look saw is shown and
        not judged: tools such as rabbitmqctl open one for a moment.
        """
        if not isinstance(answer, Container) or not (seen := self._seen.get(answer.id)):
            return answer
        there = {_key(x) for x in answer.listeners}
        times = {x: _when(seen[x], there=x in there) for x in seen}
        expected = {*answer.documented, *(x.port for x in answer.published)}
        gone = tuple(
            replace(x.listener, seen=times[key]) for key, x in seen.items() if key not in there
        )
        owned = [_with_owners(x, seen.get(_key(x))) for x in answer.listeners]
        now = tuple(replace(x, seen=times[_key(x)]) if times.get(_key(x)) else x for x in owned)
        both = replace(answer, listeners=tuple(sorted((*now, *gone), key=_order)))
        brief = {k for k, x in seen.items() if x.listener.dynamic and x.first == x.last} - there
        judged = replace(both, listeners=tuple(x for x in both.listeners if _key(x) not in brief))
        gone_ports = {x.port for x in gone if _key(x) not in brief}
        moments: dict[Port, str] = {}
        for key, x in seen.items():
            if times[key]:
                moments.setdefault(x.listener.port, times[key])
        verdict = answer.verdict
        if not isinstance(verdict, ObservationError):
            try:
                verdict = self._judged(verdict, judged, gone_ports, expected)
            except ObservationError as error:
                return replace(both, verdict=error)
            verdict = tuple(_with_moment(x, moments) for x in verdict)
        return replace(both, verdict=verdict, notes=(*both.notes, *self._notes(answer.id)))

    def of_gone(self, identity: str) -> Container | None:
        """Return a container that was removed, where something was wrong with what was seen."""
        last = self._last.get(identity)
        if last is None:
            return None
        found = self.merged(replace(last, listeners=(), verdict=()))
        if not isinstance(found, Container) or not found.verdict:
            return None
        return replace(found, notes=last.notes)  # it was not there to be looked at for longer

    def note_restarts(self, now: Sequence[Listed]) -> None:
        """Note which of the containers that run now were started since it began."""
        elapsed = monotonic() - self.began
        young = [x for x in now if self._looks[x.id] and x.up_for < elapsed]
        try:
            time = self.observer.now() if young else None
        except EngineError:  # one that lists its containers and hides its clock
            return
        for identity, inspected in self.observer.inspections(young).items():
            started = inspected.started
            if started and time and (time - started).total_seconds() < elapsed:
                self._restarts[identity] = inspected.restarts

    def _notes(self, identity: str) -> list[str]:
        """Return notes where a container was seen too rarely, or did not run all the time."""
        count, seconds = self._looks[identity], self._seconds
        notes = []
        if identity in self._restarts:
            notes.append(f"{RESTARTED}: {plural(self._restarts[identity], 'restart')} so far")
        if count < 2 * seconds:
            missed = "and shorter listeners may be missed"
            notes.append(f"{RARELY}: {count} looks in {seconds:.0f} s, {missed}")
        return notes

    def _judged(
        self,
        before: tuple[Finding, ...],
        container: Container,
        gone: set[Port],
        expected: set[Port],
    ) -> tuple[Finding, ...]:
        """Return the findings of the last look, and those on ports that are no longer listened on.

        The last look decides whether an expected port is served.
        """
        rules = self.observer.rules
        if not gone:
            return before
        ends = {x.name for x in rules if "default" in x.groups}
        late = [
            x
            for x in findings(container, rules)
            if gone & set(x.ports) and not (x.rule in ends and expected & set(x.ports))
        ]
        known = {(x.rule, y) for x in late for y in x.ports}
        kept = [x for x in before if not known & {(x.rule, y) for y in x.ports}]
        accepted = self.observer.acceptance.applied(container, tuple(late), today())
        return tuple(sorted((*kept, *accepted), key=lambda x: (x.port is None, x.ports)))


def watch(
    found: Watch, wanted: Sequence[Listed], seconds: float, show: Callable[[str], object]
) -> None:
    """Look at containers for so many seconds; show is called with how many are left."""
    end = monotonic() + seconds
    for _ in found.looks(wanted, seconds):
        left = max(0, end - monotonic())
        show(f"watching {plural(len(wanted), 'container')} for {left:.0f} s more …")


def _is_netlinks(answer: Observed) -> bool:
    """Return whether netlink saw a container: it never sees one in another kernel."""
    return isinstance(answer, Container) and answer.source == "netlink"


def _key(listener: Listener) -> object:
    return listener.port, listener.address, listener.kind, listener.v6only


def _order(listener: Listener) -> tuple[int, str, str]:
    return listener.port.number, listener.port.protocol, listener.address


def _with_owners(listener: Listener, sighting: Sighting | None) -> Listener:
    """Return a listener with the processes that held it when it was first seen.

    They are looked up again only where something is wrong.
    """
    if sighting is None or listener.owners or listener.inodes != sighting.listener.inodes:
        return listener
    return replace(listener, owners=sighting.listener.owners)


def _when(sighting: Sighting, *, there: bool) -> str:
    """Return in words when a socket was seen; empty if it was there all the time."""
    if not there:
        return f"from {sighting.first:.1f} s to {sighting.last:.1f} s"
    return f"from {sighting.first:.1f} s on" if sighting.first > _SHORT else ""


def _with_moment(finding: Finding, moments: Mapping[Port, str]) -> Finding:
    """Return a finding with when its port was listened on, unless that was all the time."""
    times = [moments[x] for x in finding.ports if x in moments]
    return replace(finding, message=f"{finding.message} (seen {times[0]})") if times else finding
