"""The rule `dynamic`: ports that nobody chose. Pure.

A server that binds port 0 gets one of the namespace's ip_local_port_range, another at each start
(ip(7)). So nothing can document it, and a finding that named it would be another one each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_exposed.model import Container, Finding, Listener
from pytest_exposed.rules.advice import waiver
from pytest_exposed.rules.rule import Breach, Case, processes, rule
from pytest_exposed.text import plural

_MOST_SHOWN = 5
"""Endpoints of a process that a message names."""


def _by_process(container: Container, listeners: Sequence[Listener]) -> Iterator[Finding]:
    """Yield a finding for each process, one for all listeners whose processes are unknown."""
    found: dict[object, list[Listener]] = {}
    for listener in listeners:
        if listener.dynamic and listener.kind == "reachable":
            found.setdefault(listener.owners, []).append(listener)
    for mine in found.values():
        # Those of TCP first: clients of RPC ask for these, and UDP's are known by them.
        ports = sorted({x.port for x in mine}, key=lambda x: (x.protocol != "tcp", x))
        verb = "listen on" if len(mine[0].owners) > 1 else "listens on"
        shown = ", ".join(x.endpoint for x in mine[:_MOST_SHOWN])
        more = f" and {len(mine) - _MOST_SHOWN} more" if len(mine) > _MOST_SHOWN else ""
        who = processes(mine) or "something"
        one = len(ports) == 1
        number = plural(len(ports), "port")
        yield Finding(
            "dynamic",
            ports[0],
            f"{who} {verb} {number} of the range from which the kernel chooses: {shown}{more}",
            f"pin {'it' if one else 'them'}, if that isn't done, in the configuration of "
            f"{container.role} and document {'that number' if one else 'those numbers'}, or accept "
            "`dynamic` "
            f"(`{waiver(container, 'dynamic', None)}`)",
            more_ports=tuple(ports[1:]),
        )


@rule("dynamic", "default", "cis", gather=_by_process)
def _dynamic(case: Case) -> Breach | None:
    """A container listens on a port that nobody chose: after the next start it is another one.

    The kernel chose the port (ip_local_port_range), and nothing documents, declares or publishes
    it. Every other container in its networks can reach it, and no firewall rule can name it. Set a
    fixed port in the configuration of the process and document that, or accept `dynamic`: there is
    one finding for each process, whatever its ports. Of UDP only the ports of an RPC server beside
    rpcbind count; others of that range are clients'.
    """
    reachable = any(x.dynamic and x.kind == "reachable" for x in case.own)
    return ("", "") if reachable and not case.published else None  # gathered: see _by_process


RULES = (_dynamic,)
