"""Documented ports that a service opens only if it is set up for them: advice, and no fault. Pure.

An image documents all that its service can do. Where the service is up, and its port for TLS or for
a cluster isn't, whoever runs it has chosen so, and nobody would act.
"""

from __future__ import annotations

from functools import cache

from pytest_exposed.model.ports import Port
from pytest_exposed.rules.rule import Case

_TLS, _CLUSTER, _NETBIOS = "a certificate", "a cluster", "NetBIOS (nmbd)"

_WITH = (
    # IANA's registry of service names: https, domain-s, ldaps, msft-gc-ssl, imaps, pop3s,
    # submissions, syslog-tls, sips, stuns, amqps, ircs-u, https-alt, secure-mqtt.
    (_TLS, "443/tcp 443/udp 8443/tcp", "80 8080"),
    (_TLS, "853/tcp 853/udp", "53/tcp 53/udp"),
    (_TLS, "636/tcp", "389"),
    (_TLS, "3269/tcp", "3268"),
    (_TLS, "993/tcp", "143"),
    (_TLS, "995/tcp", "110"),
    (_TLS, "465/tcp", "25 587"),
    (_TLS, "6514/tcp", "514/tcp 514/udp 601"),
    (_TLS, "5061/tcp", "5060/tcp 5060/udp"),
    (_TLS, "5349/tcp 5349/udp", "3478/tcp 3478/udp"),
    (_TLS, "5671/tcp", "5672"),
    (_TLS, "6697/tcp", "6667"),
    (_TLS, "8883/tcp", "1883"),
    # What their manuals have: RabbitMQ's management and metrics, Matrix' federation, docker.
    (_TLS, "15671/tcp", "15672"),
    (_TLS, "15691/tcp", "15692"),
    (_TLS, "8448/tcp", "8008"),
    (_TLS, "2376/tcp", "2375"),
    # ZooKeeper's quorum and election, carbon's relay, the workers of Locust, NATS' routes.
    (_CLUSTER, "2888/tcp 3888/tcp", "2181"),
    (_CLUSTER, "2013/tcp 2014/tcp", "2003 2004"),
    (_CLUSTER, "5557/tcp", "8089"),
    (_CLUSTER, "6222/tcp", "4222"),
    # RFC 1001: names and datagrams, which SMB over 445 does without.
    (_NETBIOS, "137/udp 138/udp", "445"),
)


@cache
def _by_port() -> dict[Port, tuple[str, tuple[Port, ...]]]:
    """Return what each port needs, and the ports of the services that do without."""
    return {
        Port.parse(port): (what, tuple(map(Port.parse, served.split())))
        for what, ports, served in _WITH
        for port in ports.split()
    }


def opens_with(case: Case) -> str | None:
    """Return what opens a port of a service that is up without it; None for any other port."""
    what, with_ports = _by_port().get(case.port, ("", ()))
    return what if any(_is_served(case, x) for x in with_ports) else None


def is_advice(case: Case) -> bool:
    """Return whether it is advice that nothing listens on a documented port.

    It is where another documented port is served, and the port is optional: it needs what not every
    service is set up with, or its number is served under another documented protocol (8125/udp
    beside 8125/tcp). And it is in an image of a registry: its reader can't edit the Dockerfile. A
    number that is served under a protocol that is not documented is a slip of the Dockerfile's; a
    port that only the container declares, one of its owner's.
    """
    slip = case.only_declared or any(x not in case.container.documented for x in case.alike)
    if slip or not case.is_up:
        return False
    return (
        case.container.image.is_from_registry
        or any(_is_served(case, x) for x in case.alike)
        or opens_with(case) is not None
    )


def _is_served(case: Case, port: Port) -> bool:
    return port in case.container.documented and port in case.listening
