"""What there is in the place of a port that nothing serves, for messages and fixes. Pure."""

from __future__ import annotations

from pytest_exposed.model import Container
from pytest_exposed.model.ports import Port, Ports
from pytest_exposed.rules import advice
from pytest_exposed.rules.definition import in_publications
from pytest_exposed.rules.multicast import NUMBERS
from pytest_exposed.rules.rule import SHELL, Case, who

_MOST_HEARD = 3
"""Listeners that the finding of another port names."""
_MOST_SEARCHED = 100
"""Listeners that are searched for them, by each of what may be many findings."""


def would_answer(case: Case) -> tuple[str, str] | None:
    """Return which container would answer a publication and can't, as the end of a message.

    And the fix. None where none is known.
    """
    own = f"container:{case.container.id}"
    if (left := _left_behind(case, own)) is not None:
        if left.network_mode == own:
            network = f"in the network that {case.subject} had before it was restarted"
            return f"{left} does, which is {network}", left.rejoin
        fix = f"if {left} is to answer there, {left.rejoin}; or {advice.START}"
        return f"{left} does, which is in no network any more", fix
    for x in case.container.stopped_joiners:
        if not x.is_lost and case.port in x.serves:
            fix = f"start {x.name}, or don't publish it{in_publications(case.container)}"
            return f"{x.name}, which is to share its network, doesn't run", fix
    return None


def might_answer(case: Case) -> tuple[str, str]:
    """Return which stopped container might answer a publication, as the end of a message.

    And of the fix; empty for none. It was in the network of a container that was removed, which
    may have been another one: what else is known stays.
    """
    for x in case.container.stopped_joiners:
        if x.is_lost and case.port in x.serves:
            why = "joined the network of a container that was removed, doesn't run"
            anew = f"create it anew in the network of {case.subject}"
            return f"; {x.name}, which {why}", f"; or, if {x.name} is to answer there, {anew}"
    return "", ""


def _left_behind(case: Case, own: str) -> Container | None:
    """Return a container that might answer, were it in the network that it joined."""
    for container in sorted(case.container.left_behind, key=lambda x: x.network_mode != own):
        if any(x.port == case.port and x.kind != "loopback" for x in container.listeners):
            return container
    return None


def moved(case: Case) -> Port | None:
    """Return the port that is served in the place of the one that is documented, if it is clear."""
    ports = _slip(case)
    if ports is None or ports[0] != case.port or case.only_declared or advice.is_inherited(case):
        return None
    return ports[1]


def served(container: Container) -> str:
    """Return what a container serves and its image doesn't document, as the end of a message."""
    heard = (x.port for x in container.listeners if x.kind == "reachable" and not x.dynamic)
    found = Ports(x for x in heard if x.number != SHELL) - container.image.documented
    return f"; it listens on {found}" if found else ""


def is_started(container: Container) -> bool:
    """Return whether a service other than a shell listens in a container, wherever it is bound.

    Not one that may be another's in a shared network.
    """
    none, others = {SHELL, *NUMBERS}, ("ephemeral", "unattributed")
    return any(x.kind not in others and x.port.number not in none for x in container.listeners)


def right_one(case: Case, fix: str) -> str:
    """Return the fix of an undocumented port, with what may mend one in the place of another."""
    ports = _slip(case)
    if ports is None or ports[1] != case.port:
        return fix
    # The image may be right about its own command, and did not declare what a container does.
    if case.container.substitute is not None or ports[0] not in case.container.documented:
        return f"have its service listen on {ports[0]}; or, if this is the right one, {fix}"
    return f"{fix}; or, if {ports[0]} is the right one, have its service listen there"


def _slip(case: Case) -> tuple[Port, Port] | None:
    """Return the port that is documented and the one that is served, if one is a slip of the other.

    Of the port's protocol the image documents one, and the container serves one, which is no shell.
    Where it documents none, one that the container alone declares is meant.
    """
    container, protocol = case.container, case.port.protocol
    heard = {x.port for x in container.listeners if x.kind == "reachable" and not x.dynamic}
    served = [x for x in heard if x.protocol == protocol and x.number not in NUMBERS]
    documented = [x for x in container.documented if x.protocol == protocol]
    declared = container.declared - Ports(x.port for x in container.published)
    documented = documented or [x for x in declared if x.protocol == protocol]
    if len(served) != 1 or len(documented) != 1 or served == documented:
        return None
    held = any(x.port == documented[0] for x in container.listeners)
    shared = any(documented[0] in x.listening for x in container.neighbours)
    return None if held or shared or served[0].number == SHELL else (documented[0], served[0])


def only_on_loopback(container: Container) -> str:
    """Return where a container listens if that is on loopback alone, as the end of a message.

    A listener of a port that is documented or published has a finding of its own, and is not meant
    for another port.
    """
    if len(container.listeners) > _MOST_SEARCHED:
        return ""
    heard = [x for x in container.listeners if x.kind != "ephemeral"]
    due = {*container.documented, *(x.port for x in container.published)}
    if not heard or any(x.kind != "loopback" or x.port in due for x in heard):
        return ""
    more = ", …" if len(heard) > _MOST_HEARD else ""
    those = "its only listener is" if len(heard) == 1 else "its only listeners are"
    return f"; {those} on loopback: {', '.join(map(who, heard[:_MOST_HEARD]))}{more}"


def command_of(container: Container) -> tuple[str, str | None]:
    """Return what a container runs that isn't its image's command, as the end of a message."""
    if container.substitute is None:
        return "", None
    return f": it runs {container.substitute.what}", container.substitute.fix
