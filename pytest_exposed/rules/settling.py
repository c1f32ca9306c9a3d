"""When a young container has settled: when its listeners have stayed the same. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_exposed.errors import GoneError, ObservationError, PublicationsUnknownError
from pytest_exposed.model import Container, Finding, Observed
from pytest_exposed.rules import Rule
from pytest_exposed.values import dataclass

_STILL = 2.0
"""Seconds for which the listeners of a young container must have been the same."""


def is_final(answer: Observed, rules: Sequence[Rule]) -> bool:
    """Return whether looking again can't change what an answer says.

    A container that is gone, a publication that is unknown, processes that are paused, and
    rules that don't judge by listeners give the same answer again.
    """
    if not isinstance(answer, Container):
        return isinstance(answer, GoneError)
    if isinstance(answer.verdict, PublicationsUnknownError) or answer.state == "paused":
        return True
    is_judged = not isinstance(answer.verdict, ObservationError)
    return is_judged and not any(x.by_listeners for x in rules)


def may_mend(
    answer: Observed, rules: Sequence[Rule], accepts: Callable[[Finding], bool] = lambda _: False
) -> bool:
    """Return whether what is wrong may not be so in a moment: a service that starts mends it.

    accepts says of what was not waived whether it is accepted all the same.
    """
    if not isinstance(answer, Container) or isinstance(answer.verdict, ObservationError):
        return True
    mending = {x.name for x in rules if x.by_listeners}
    wrong = [x for x in answer.verdict if x.waived is None and not accepts(x)]
    return any(x.rule in mending and not _is_settled(answer, x) for x in wrong)


def _is_settled(answer: Container, finding: Finding) -> bool:
    """Return whether it is known which image has to document what is published.

    It is that of a neighbour, if one answers.
    """
    if finding.rule != "published-undocumented":
        return False
    answered = {y.port for x in answer.neighbours for y in x.listeners}
    return not answer.neighbours or not answered.isdisjoint(finding.ports)


@dataclass(slots=True)
class Stillness:
    """Since when a container has listened on the same addresses, as far as it was looked at."""

    restless: bool = False
    """Whether it has listened on something else before."""
    _listening: object = None
    _since: float = 0

    def note(self, answer: Observed, at: float) -> None:
        """Add what was seen at a moment, in seconds of any clock."""
        listening = _listening(answer)
        if listening != self._listening:
            self.restless |= bool(self._listening)
            self._listening, self._since = listening, at

    def has_settled(self, at: float) -> bool:
        """Return whether the listeners have stayed; without any listener none has, ever."""
        return bool(self._listening) and at - self._since >= _STILL


def _listening(answer: Observed) -> object:
    """Return what a container listens on; clients' sockets come and go in any that works."""
    if not isinstance(answer, Container):
        return None
    return frozenset(
        (x.port, x.address, x.kind, x.v6only) for x in answer.listeners if x.kind != "ephemeral"
    )
