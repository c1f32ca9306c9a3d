"""RPC servers over UDP, distinguished from clients by the other sockets of their processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stage import wait_until

if TYPE_CHECKING:
    from stage import Stage

    from pytest_exposed import Engine


def test_udp_ports_of_an_rpc_server_are_dynamic(look: Engine, stage: Stage) -> None:
    container = stage.run("tcp:0.0.0.0:111", "udp:0.0.0.0:111", exposes=("111", "111/udp", "2049"))
    server = ["/bin/listener", "name:nfsd", "tcp:0.0.0.0:2049", "udp:0.0.0.0:0", "tcp:0.0.0.0:0"]
    container.sdk.exec_run(server, detach=True)
    container.sdk.exec_run(["/bin/listener", "name:client", "udp:0.0.0.0:0"], detach=True)

    def heard() -> dict[str, list[tuple[str, str, bool]]]:
        seen: dict[str, list[tuple[str, str, bool]]] = {}
        for x in look.container(container.name).listeners:
            seen.setdefault(x.process or "", []).append((x.port.protocol, x.kind, x.dynamic))
        return {k: sorted(v) for k, v in seen.items()}

    wait_until(lambda: len(heard()) == 3 and len(heard()["nfsd"]) == 3, "all have begun")
    assert heard()["nfsd"] == [
        ("tcp", "reachable", False),
        ("tcp", "reachable", True),
        ("udp", "reachable", True),
    ]
    assert heard()["client"] == [("udp", "ephemeral", False)]
    (finding,) = look.container(container.name).findings
    assert (finding.rule, len(finding.ports)) == ("dynamic", 2)
    assert finding.message.startswith("nfsd (pid ")


def test_without_rpcbind_they_are_clients(looks: list[Engine], stage: Stage) -> None:
    container = stage.run("tcp:0.0.0.0:2049", "udp:0.0.0.0:0", exposes=("2049",))
    for look in looks:
        seen = look.container(container.name)
        assert sorted(x.kind for x in seen.listeners) == ["ephemeral", "reachable"]
        assert seen.findings == ()
