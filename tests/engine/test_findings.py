"""What is found in each kind of container: by the kernel's netlink, and by what /proc shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pytest_exposed import Container, Engine

if TYPE_CHECKING:
    from stage import Stage


@dataclass(frozen=True)
class Setup:
    """A container, and what must be found in it."""

    name: str
    words: tuple[str, ...]
    findings: set[str]
    exposes: tuple[str, ...] = ()
    listening: set[str] = field(default_factory=set)
    options: dict[str, Any] = field(default_factory=dict)


def anywhere(port: int) -> dict[str, Any]:
    """Publish a port on a port of loopback that the engine chooses."""
    return {"ports": {f"{port}/tcp": ("127.0.0.1", 0)}}


SETUPS = (
    Setup("no-expose", ("tcp:0.0.0.0:80",), {"undocumented 80/tcp"}, listening={"80/tcp"}),
    Setup("nothing-listens", (), {"silent 80/tcp"}, ("80",)),
    Setup("bound-only", ("bound:tcp:0.0.0.0:80",), {"silent 80/tcp"}, ("80",)),
    Setup("on-loopback", ("tcp:127.0.0.1:80",), {"unreachable 80/tcp"}, ("80",)),
    Setup("loopback-of-its-own", ("tcp:127.0.0.1:80",), set()),
    Setup("matches", ("tcp:0.0.0.0:80",), set(), ("80",), {"80/tcp"}),
    Setup("published", ("tcp:0.0.0.0:80",), set(), ("80",), {"80/tcp"}, anywhere(80)),
    Setup("published-to-nothing", (), {"published-silent 80/tcp"}, ("80",), options=anywhere(80)),
    Setup("published-to-nothing-2", (), {"published-silent 80/tcp"}, options=anywhere(80)),
    Setup(
        "published-to-loopback",
        ("tcp:127.0.0.1:80",),
        {"unreachable 80/tcp"},
        options=anywhere(80),
    ),
    Setup(
        "published-undocumented",
        ("tcp:0.0.0.0:80",),
        {"published-undocumented 80/tcp"},
        listening={"80/tcp"},
        options=anywhere(80),
    ),
    Setup(
        "misrouted",
        ("tcp:0.0.0.0:81",),
        {"published-silent 80/tcp"},
        ("81",),
        {"81/tcp"},
        anywhere(80),
    ),
    Setup(
        "udp-for-tcp",
        ("udp:0.0.0.0:53",),
        {"silent 53/tcp", "undocumented 53/udp"},
        ("53",),
        {"53/udp"},
    ),
    Setup("udp", ("udp:0.0.0.0:53",), set(), ("53/udp",), {"53/udp"}),
    Setup("udp-high", ("udp:0.0.0.0:50000",), set(), ("50000/udp",), {"50000/udp"}),
    Setup("udp-clients", ("udpclient:127.0.0.1:53", "udpconnected:127.0.0.1:53"), set()),
    Setup(
        "dual-stack", ("tcp:[::]:80", "udp:[::]:53"), set(), ("80", "53/udp"), {"80/tcp", "53/udp"}
    ),
    Setup("ipv4-mapped", ("tcp:[::ffff:0.0.0.0]:80",), set(), ("80",), {"80/tcp"}),
    Setup("reuseport", ("reuseport:tcp:0.0.0.0:80:4",), set(), ("80",), {"80/tcp"}),
    Setup("prefork", ("tcp:0.0.0.0:80", "prefork:4"), {"undocumented 80/tcp"}, (), {"80/tcp"}),
    Setup("range", ("tcp:0.0.0.0:7000-7003",), set(), ("7000-7003",), {"7000-7003/tcp"}),
    Setup(
        "half-a-range",
        ("tcp:0.0.0.0:7000-7001",),
        {"silent 7002/tcp", "silent 7003/tcp"},
        ("7000-7003",),
        {"7000-7001/tcp"},
    ),
    Setup(
        "hardened",
        ("tcp:0.0.0.0:8080", "tcp:0.0.0.0:8081"),
        {"undocumented 8081/tcp"},
        ("8080",),
        {"8080/tcp", "8081/tcp"},
        {
            "read_only": True,
            "cap_drop": ["ALL"],
            "user": "1000:1000",
            "security_opt": ["no-new-privileges"],
        },
    ),
    Setup("idle", (), set()),
)


@pytest.fixture(scope="module")
def names(shared_stage: Stage) -> dict[str, str]:
    """The names of the containers of all setups."""
    return {
        x.name: shared_stage.run(*x.words, name=x.name, exposes=x.exposes, **x.options).name
        for x in SETUPS
    }


@pytest.fixture(scope="module")
def seen(look: Engine, names: dict[str, str], shared_stage: Stage) -> dict[str, Container]:
    """All of them, observed in one round."""
    by_name = {x.name: x for x in look.containers(label=shared_stage.label)}
    assert {x.source for x in by_name.values()} == {look.observer.source}
    return {name: by_name[full] for name, full in names.items()}


@pytest.mark.parametrize("setup", SETUPS, ids=[x.name for x in SETUPS])
def test_finds_just_what_is_there(setup: Setup, seen: dict[str, Container]) -> None:
    container = seen[setup.name]
    assert {str(x) for x in container.findings} == setup.findings
    assert container.listening == setup.listening


@pytest.mark.parametrize(
    ("name", "port", "message", "fix"),
    [
        (
            "no-expose",
            "80/tcp",
            "listener (pid 1) listens on 0.0.0.0:80, and IMAGE does not EXPOSE it",
            "add to its Dockerfile: EXPOSE 80/tcp",
        ),
        (
            "nothing-listens",
            "80/tcp",
            "IMAGE documents it, and nothing in CONTAINER listens on it (layer: EXPOSE 80)",
            "start its service, or remove EXPOSE 80/tcp from its Dockerfile",
        ),
        (
            "on-loopback",
            "80/tcp",
            (
                "IMAGE documents it, and its only listener is on loopback: "
                "127.0.0.1:80 (listener (pid 1))"
            ),
            "bind 0.0.0.0:80 in CONTAINER, or remove EXPOSE 80/tcp",
        ),
        (
            "published-to-nothing",
            "80/tcp",
            "published as 127.0.0.1:HOSTPORT, and nothing in CONTAINER listens on 80/tcp",
            "start its service, or don't publish it",
        ),
        (
            "misrouted",
            "80/tcp",
            "published as 127.0.0.1:HOSTPORT, and nothing in CONTAINER listens on 80/tcp",
            "start its service, or publish a port that answers, such as 81/tcp",
        ),
        (
            "published-to-loopback",
            "80/tcp",
            (
                "published as 127.0.0.1:HOSTPORT, and its only listener is on loopback: "
                "127.0.0.1:80 (listener (pid 1))"
            ),
            "bind 0.0.0.0:80 in CONTAINER",
        ),
        (
            "published-undocumented",
            "80/tcp",
            "published as 127.0.0.1:HOSTPORT, and IMAGE does not EXPOSE it",
            "add to its Dockerfile: EXPOSE 80/tcp",
        ),
        (
            "udp-for-tcp",
            "53/tcp",
            (
                "IMAGE documents it, and nothing in CONTAINER listens on it, but on 53/udp: "
                "EXPOSE 53 means 53/tcp"
            ),
            "write EXPOSE 53/udp in its Dockerfile instead",
        ),
        (
            "udp-for-tcp",
            "53/udp",
            "listener (pid 1) listens on 0.0.0.0:53, and IMAGE does not EXPOSE it",
            "add to its Dockerfile: EXPOSE 53/udp (EXPOSE 53 there means 53/tcp)",
        ),
    ],
)
def test_a_finding_names_the_evidence_and_the_fix(
    name: str, port: str, message: str, fix: str, seen: dict[str, Container]
) -> None:
    container = seen[name]
    (finding,) = [x for x in container.findings if str(x.port) == port]
    host_port = str(container.published[0].host_port) if container.published else ""
    assert [finding.message, finding.fix] == [
        text.replace("IMAGE", container.image.name)
        .replace("CONTAINER", container.name)
        .replace("HOSTPORT", host_port)
        for text in (message, fix)
    ]


def test_all_owners_of_one_port_are_named(seen: dict[str, Container]) -> None:
    (listener,) = seen["prefork"].listeners
    assert [x.name for x in listener.owners] == ["listener"] * 5
    assert listener.pid == 1
    (finding,) = seen["prefork"].findings
    assert "and 2 more listen on 0.0.0.0:80" in finding.message


def test_sockets_of_one_port_are_one_listener(seen: dict[str, Container]) -> None:
    assert [str(x) for x in seen["reuseport"].listeners] == ["0.0.0.0:80/tcp"]


def test_udp_clients_are_shown_as_ephemeral(seen: dict[str, Container]) -> None:
    # The connected one is not even that: it takes datagrams of one peer only.
    (listener,) = seen["udp-clients"].listeners
    assert listener.kind == "ephemeral"
    assert listener.port.protocol == "udp"
    assert not seen["udp-clients"].listening


def test_idle_and_bound_sockets_are_no_listeners(seen: dict[str, Container]) -> None:
    assert seen["idle"].listeners == ()
    assert seen["bound-only"].listeners == ()
