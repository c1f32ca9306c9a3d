"""Multicast discovery: ports on which hosts look for one another in their own network. Pure.

mDNS (RFC 6762), SSDP of UPnP and LLMNR (RFC 4795) have their ports by standard, are asked by
multicast, and serve what else the process is for. A list of an image's ports never has them.
"""

from __future__ import annotations

from pytest_exposed.model.ports import Port
from pytest_exposed.rules.rule import Breach, Case, processes, rule

_MDNS, _SSDP, _LLMNR = 5353, 1900, 5355
NUMBERS = frozenset((_MDNS, _SSDP, _LLMNR))
"""The numbers of these ports."""


def is_discovery(case: Case) -> bool:
    """Return whether a port looks like one of discovery: mDNS and SSDP have no TCP beside it."""
    other = Port(case.port.number, "tcp" if case.port.protocol == "udp" else "udp")
    if case.port.number == _LLMNR:
        return case.port.protocol == "udp" or _is_of_one_program(case, other)
    is_one = case.port.number in (_MDNS, _SSDP) and case.port.protocol == "udp"
    return is_one and other not in case.alike


def _is_of_one_program(case: Case, other: Port) -> bool:
    """Return whether a process listens on both ports; True where processes are unknown."""
    beside = [x for x in case.container.listeners if x.port == other]
    mine, theirs = ({y for x in z for y in x.owners} for z in (case.own, beside))
    return bool(beside) and (not mine or not theirs or not mine.isdisjoint(theirs))


@rule("multicast")
def _multicast(case: Case) -> Breach | None:
    """A container listens for multicast discovery, and its image does not document it.

    mDNS (5353/udp), SSDP (1900/udp) and LLMNR (5355) answer whoever asks in the same network.
    `undocumented` leaves them out; this rule shows them. Turn discovery off in the configuration of
    the process.
    """
    reachable = [x for x in case.own if x.kind == "reachable"]
    if not reachable or case.documented or case.published or not is_discovery(case):
        return None
    who = processes(reachable) or "something"
    endpoints = ", ".join(x.endpoint for x in reachable)
    return (
        f"{who} answers multicast discovery on {endpoints}",
        f"turn discovery off in the configuration of {case.container.role}, or accept `multicast`",
    )


RULES = (_multicast,)
