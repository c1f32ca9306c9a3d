"""What is no fault: discovery by multicast, IPv6 alone beside IPv4, and RPC servers over UDP."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from make import ANY, container, listener, publication

from pytest_exposed.model import Container, Listener, Process
from pytest_exposed.report.portmap import cells_of
from pytest_exposed.report.record import of_container
from pytest_exposed.report.text import table
from pytest_exposed.rules.judge import findings
from pytest_exposed.rules.rpc import may_serve_rpc, with_rpc_servers
from pytest_exposed.rules.selection import expand, select

GANESHA, STATD, RPCBIND = Process(9, "ganesha.nfsd"), Process(8, "rpc.statd"), Process(7, "rpcbind")


def found(one: Container, *rules: str) -> list[str]:
    return [str(x) for x in findings(one, select(rules))]


# Multicast discovery


@pytest.mark.parametrize(
    ("ports", "default", "every"),
    [
        (["1900/udp"], [], ["multicast 1900/udp"]),
        (["5353/udp"], [], ["multicast 5353/udp"]),
        (["5355/udp"], [], ["multicast 5355/udp"]),
        (["5355/udp", 5355], [], ["multicast 5355/tcp", "multicast 5355/udp"]),
        # A DNS server on another port than 53, and what has the number of one alone.
        (["5353/udp", 5353], ["undocumented 5353/tcp", "undocumented 5353/udp"], None),
        ([5353], ["undocumented 5353/tcp"], None),
        ([1900], ["undocumented 1900/tcp"], None),
        ([5355], ["undocumented 5355/tcp"], None),
        (["5354/udp"], ["undocumented 5354/udp"], None),
    ],
)
def test_discovery_is_not_undocumented(
    ports: list[Any], default: list[str], every: list[str] | None
) -> None:
    one = container(*map(listener, ports))
    assert found(one) == default
    assert found(one, "all") == (default if every is None else every)


def test_tcp_beside_the_discovery_of_another_program() -> None:
    udp = replace(listener("5355/udp"), owners=(STATD,))
    assert found(container(udp, replace(listener(5355), owners=(STATD,)))) == []
    other = container(udp, replace(listener(5355), owners=(GANESHA,)))
    assert found(other) == ["undocumented 5355/tcp"]


def test_discovery_that_is_named_is_judged_as_any_port() -> None:
    heard = listener("1900/udp")
    assert found(container(heard, documented=["1900/udp"]), "all") == []
    assert found(container(documented=["1900/udp"])) == ["silent 1900/udp"]
    published = container(heard, published=[publication("1900/udp")])
    assert found(published) == ["published-undocumented 1900/udp"]
    assert found(container(listener("1900/udp", "127.0.0.1", "loopback")), "all") == []
    assert "multicast" not in expand(["default", "cis"])


# IPv6 alone


IPV6_ONLY = listener(80, "::", "unreachable", v6only=True)


@pytest.mark.parametrize(
    ("listeners", "shown"),
    [
        ([listener(80), IPV6_ONLY], "0.0.0.0:80, [::]:80 (IPv6 only)"),
        ([IPV6_ONLY], "[::]:80 (IPv6 only, unreachable)"),
        ([listener(80, "127.0.0.1", "loopback"), IPV6_ONLY],
         "127.0.0.1:80 (loopback), [::]:80 (IPv6 only, unreachable)"),
        ([listener(80), listener(80, "10.0.0.9", "unreachable")],
         "0.0.0.0:80, 10.0.0.9:80 (unreachable)"),
        ([listener(80), listener(80, "::", "reachable", v6only=True)],
         "0.0.0.0:80, [::]:80 (IPv6 only)"),
    ],
)  # fmt: skip
def test_ipv6_alone_is_no_fault_beside_what_answers(listeners: list[Listener], shown: str) -> None:
    one = container(*listeners, documented=[80])
    assert shown in table(one)[1]
    (cell,) = cells_of(of_container(one)).values()
    words = cell.words([x.port for x in listeners[:1]])[1]
    assert ("[::]:80 (unreachable)" in words) is ("[::]:80 (IPv6 only, unreachable)" in shown)


# RPC


def nfs(*more: Listener, rpcbind: str = ANY) -> Container:
    kind = "reachable" if rpcbind == ANY else "loopback"
    return container(
        listener(111, rpcbind, kind, RPCBIND),  # type: ignore[arg-type]  # one of both
        listener(2049, ANY, "reachable", GANESHA),
        listener("40000/udp", ANY, "ephemeral", GANESHA),
        *more,
        documented=[111, 2049],
    )


def test_udp_of_a_process_that_serves_tcp_is_a_server_beside_rpcbind() -> None:
    one = nfs(
        listener(41000, ANY, "reachable", GANESHA, dynamic=True),
        listener(42000, ANY, "reachable", STATD, dynamic=True),
        listener("42001/udp", "::", "ephemeral", STATD),
    )
    assert may_serve_rpc(one)
    served = with_rpc_servers(one)
    assert [str(x.port) for x in served.listeners if x.dynamic] == [
        "40000/udp",
        "41000/tcp",
        "42000/tcp",
        "42001/udp",
    ]
    assert found(served) == ["dynamic 40000/udp, 41000/tcp", "dynamic 42000/tcp, 42001/udp"]
    assert found(with_rpc_servers(nfs())) == ["dynamic 40000/udp"]


@pytest.mark.parametrize(
    "one",
    [
        # A process that serves nothing, one on loopback, and one that nobody sees.
        nfs(listener("42001/udp", ANY, "ephemeral", STATD)),
        nfs(listener("42001/udp", "127.0.0.1", "ephemeral", GANESHA)),
        nfs(listener("42001/udp", ANY, "ephemeral")),
    ],
)
def test_other_clients_are_clients(one: Container) -> None:
    assert found(with_rpc_servers(one)) == ["dynamic 40000/udp"]


def test_without_rpcbind_all_are_clients() -> None:
    assert not may_serve_rpc(nfs(rpcbind="127.0.0.1"))
    assert not may_serve_rpc(container(listener(80), listener("40000/udp", ANY, "ephemeral")))
    assert not may_serve_rpc(container(listener(111, ANY, "reachable", RPCBIND)))
