"""The rules of the group cis, which a benchmark has for containers and ports. Pure."""

from __future__ import annotations

from pytest_exposed.model import Container
from pytest_exposed.model.ports import Port
from pytest_exposed.rules.definition import definition_of, in_publications
from pytest_exposed.rules.rule import Breach, Case, rule, rule_of_container, where, who

CIS = "CIS Docker Benchmark 1.6.0"
"""The edition that is cited: the numbers of its controls moved between editions."""


@rule("published-everywhere", "cis", by_listeners=False)
def _published_everywhere(case: Case) -> Breach | None:
    """A port is published on all addresses of the host instead of one.

    Every network that the host is in can reach it. Name the address: -p ADDRESS:HOST:PORT. A Swarm
    service can't name one: let a proxy reach it through a network, or add a waiver.
    """
    everywhere = [x for x in case.published if x.is_everywhere]
    if not everywhere:
        return None
    host = "every node of the swarm" if any(x.ingress for x in everywhere) else "the host"
    port = max(x.host_port for x in everywhere)
    definition, one = definition_of(case.container), f"ADDRESS:{port}:{case.port}"
    setting = f'"{one}" in `{definition.publishes}` of {definition.place}' if definition else ""
    todo = f"publish it on one: {setting or f'-p {one}'}"
    if not port:
        todo = "let the host's firewall or router choose who gets to it, or don't publish it"
    if case.by_service:
        todo = "no service can be published on one address: reach it through a network instead"
    whole = f"every interface of {host}, as {where(everywhere)}"
    return f"published{case.by_service} on {whole} ({CIS}, 5.14)", todo


@rule("published-privileged", "cis", by_listeners=False)
def _published_privileged(case: Case) -> Breach | None:
    """A port is published on a port of the host below 1024.

    Ports below 1024 are reserved for the host's own trusted services. Use one from 1024 on, or add
    a waiver where the service is one of these, such as a public web server.
    """
    low = [x for x in case.published if 1 <= x.host_port < 1024]
    if not low:
        return None
    return (
        f"published on a privileged port of the host, as {where(low)} ({CIS}, 5.8)",
        f"publish it on a port from 1024 on{in_publications(case.container)}",
    )


_SERVERS = {"sshd", "dropbear", "sshd-session"}


@rule("ssh", "cis", by_owners=True)
def _ssh(case: Case) -> Breach | None:
    """A container runs an SSH server: it listens on 22/tcp, or the listener is sshd.

    An SSH server has keys, users and patches of its own, beside those of the engine. Use `docker
    exec` on the host.
    """
    servers = [
        x
        for x in case.own
        if (case.port == Port(22) and x.kind == "reachable")
        or any(owner.name == "sshd" for owner in x.owners)
    ]
    if not servers:
        return None
    heard, fix = ", ".join(map(who, servers)), "use `docker exec` instead of SSH"
    owners = {owner.name for x in servers for owner in x.owners}
    if owners and owners.isdisjoint(_SERVERS):
        fix += "; if it is another server, have it listen on another port"
        return f"the port of SSH has a listener: {heard} ({CIS}, 5.7)", fix
    return f"an SSH server listens on {heard} ({CIS}, 5.7)", fix


@rule_of_container("host-network", "cis")
def _host_network(container: Container) -> Breach | None:
    """A container shares the host's network.

    It can reach the services on the host's loopback, and listens on the host itself. Give it a
    network of its own and publish its ports.
    """
    # One that joined such a container stays there when that has ended.
    shares = any(x.network_mode == "host" for x in (container, *container.neighbours))
    if not (shares or container.at_host):
        return None
    return (
        f"{container.role} shares the network of its host ({CIS}, 5.10)",
        "give it a network of its own, and publish what it serves",
    )


RULES = (_published_everywhere, _published_privileged, _ssh, _host_network)
