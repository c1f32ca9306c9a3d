"""Ports on demand: ranges that a service opens port by port, when a client asks. Pure.

FTP's passive ports, RTP's media ports and Erlang's distribution are documented as a range, and at
rest none of it listens. To say of each that it is silent would be forty findings of one habit.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_exposed.model import Container
from pytest_exposed.model.ports import Port, Ports, adjoining
from pytest_exposed.rules.rule import Breach, Case, rule

_LEAST = 4
"""Adjoining ports that are a range: fewer are written one by one, each for what it serves."""
_LEAST_BESIDE = 10
"""The same where an end of the range listens: a few may be servers of which the first started."""


def on_demand(container: Container) -> Ports:
    """Return the documented ports of a container that look as if they were used on demand.

    Those are four or more adjoining ones none of which listens, while another documented port does.
    The one that leads to a range may adjoin it, as Erlang's 4369 does, if ten or more are left.
    Listeners within a range, or several beside it, are a range that is served all the time, and
    partly silent. A published port has to be served all the time.
    """
    if len(container.documented) <= _LEAST:
        return Ports()
    heard = [(x.port, x.kind) for x in container.listeners]
    published = {x.port for x in container.published}
    return silent_ranges(container.documented, heard) - published


def silent_ranges(documented: Ports, listeners: Sequence[tuple[Port, str]]) -> Ports:
    """Return what on_demand does, by documented ports and the ports and kinds of listeners."""
    heard = {port for port, _ in listeners if port in documented}
    reached = {port for port, kind in listeners if kind in ("reachable", "unattributed")}
    if len(documented) <= _LEAST or reached.isdisjoint(heard):
        return Ports()
    found: list[Port] = []
    for run in adjoining(documented):
        listening = [x for x in run if x in heard]
        silent = [x for x in run if x not in heard]
        leads = not listening or listening in (run[:1], run[-1:])
        if leads and len(silent) >= (_LEAST_BESIDE if listening else _LEAST):
            found += silent
    return Ports(found)


@rule("silent-range")
def _silent_range(case: Case) -> Breach | None:
    """A port is documented in a range that looks used on demand, and nothing listens on it.

    Four or more adjoining ports, none of which listens while another documented port does, probably
    open when a client asks, as FTP's passive ports and RTP's do. `silent` leaves them out; this
    rule shows them. Remove the EXPOSE if nothing ever opens them.
    """
    if not case.on_demand or case.own:
        return None
    message = f"{case.documenter}, and nothing in {case.subject} listens on it"
    return (
        f"{message}: it is one of a range that looks used on demand",
        "remove the range from its Dockerfile if nothing ever opens it, or accept `silent-range`",
    )


RULES = (_silent_range,)
