"""Ports that nobody chose: seen by each source, and the same finding after the next start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stage import wait_until

from pytest_exposed import Engine
from pytest_exposed.assertions.checks import container_listens_on
from pytest_exposed.assertions.matching import container_matches_image

if TYPE_CHECKING:
    from stage import Stage, Staged

    from pytest_exposed import Container

# The kernel chooses both ports of the server, and the one of the other process.
WORDS = ("tcp:0.0.0.0:80", "tcp:0.0.0.0:0", "tcp:[::]:0", "tcp:127.0.0.1:0")


def started(stage: Stage) -> Staged:
    container = stage.run(*WORDS, exposes=("80",))
    container.sdk.exec_run(["/bin/listener", "name:helper", "tcp:0.0.0.0:0"], detach=True)
    return container


def numbers(seen: Container) -> set[int]:
    return {x.port.number for x in seen.listeners if x.dynamic}


def test_each_process_is_a_finding(look: Engine, stage: Stage) -> None:
    name = started(stage).name
    wait_until(lambda: len(look.container(name).findings) == 2, "both processes listen")
    seen = look.container(name)
    assert sorted(x.kind for x in seen.listeners if x.dynamic) == [
        "loopback",
        "reachable",
        "reachable",
        "reachable",
    ]
    assert all(32768 <= x <= 60999 for x in numbers(seen))
    findings = {x.message.partition(" (pid")[0]: x for x in seen.findings}
    assert {k: (x.rule, len(x.ports)) for k, x in findings.items()} == {
        "listener": ("dynamic", 2),
        "helper": ("dynamic", 1),
    }


def test_the_range_is_the_namespaces_own(looks: list[Engine], stage: Stage) -> None:
    container = stage.run(
        "tcp:0.0.0.0:0", "tcp:0.0.0.0:40000", sysctls={"net.ipv4.ip_local_port_range": "2000 4999"}
    )
    for look in looks:
        rules = {x.rule: x for x in look.container(container.name).findings}
        assert set(rules) == {"dynamic", "undocumented"}
        assert 2000 <= rules["dynamic"].ports[0].number <= 4999
        assert str(rules["undocumented"]) == "undocumented 40000/tcp"


def test_reserved_ports_are_nobody_elses_choice(looks: list[Engine], stage: Stage) -> None:
    """The kernel gives them to nobody who asks for any port."""
    container = stage.run(
        *("tcp:0.0.0.0:45000", "udp:0.0.0.0:45001", "tcp:0.0.0.0:45011"),
        sysctls={"net.ipv4.ip_local_reserved_ports": "45000-45010"},
    )
    for look in looks:
        assert [str(x) for x in look.container(container.name).findings] == [
            "undocumented 45000/tcp",
            "undocumented 45001/udp",
            "dynamic 45011/tcp",
        ]


def test_a_long_list_of_reserved_ports_is_read_to_its_end(
    looks: list[Engine], stage: Stage
) -> None:
    """The kernel gives as much of it as is asked for, and nothing to a second read."""
    reserved = ",".join(map(str, range(45000, 46000, 2)))
    container = stage.run(
        *("tcp:0.0.0.0:45998", "tcp:0.0.0.0:45999"),
        sysctls={"net.ipv4.ip_local_reserved_ports": reserved},
    )
    for look in looks:
        assert [str(x) for x in look.container(container.name).findings] == [
            "undocumented 45998/tcp",
            "dynamic 45999/tcp",
        ]


def test_an_ordinary_user_and_remote_engines_see_one_finding(engine_url: str, stage: Stage) -> None:
    """Where nobody sees whose sockets they are."""
    container = stage.script(
        "listener tcp:0.0.0.0:0 & listener tcp:0.0.0.0:0 tcp:0.0.0.0:0 ready",
        sysctls={"net.ipv4.ip_local_port_range": "2000 4999"},
    )
    container.wait_for("ready")
    for source in ("helper", "exec"):
        with Engine(engine_url, source=source, helper_image=container.image) as engine:
            (finding,) = engine.container(container.name).findings
        assert finding.rule == "dynamic"
        assert len(finding.ports) == 3
        assert finding.message.startswith(
            "something listens on 3 ports of the range from which the kernel chooses"
        )


def test_they_are_listening_all_the_same(looks: list[Engine], stage: Stage) -> None:
    container = stage.run("tcp:0.0.0.0:80", "tcp:0.0.0.0:0", exposes=("80",))
    for look in looks:
        assert container_listens_on(look, container.name, 80)
        check = container_listens_on(look, container.name, 80, only=True)
        assert not check
        assert "dynamic" in str(check)
        assert not container_matches_image(look, container.name)
        assert container_matches_image(look, container.name, ignore="dynamic")
        assert container_matches_image(look, container.name, allow="dynamic")
