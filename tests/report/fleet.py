"""Containers made from nothing, by chance but always the same, and judged by the real rules."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from make import ANY, container, listener, publication

from pytest_exposed.errors import ObservationError
from pytest_exposed.model import Container, Kind, Listener, Process
from pytest_exposed.model.ports import Port
from pytest_exposed.report.record import of_container
from pytest_exposed.rules.judge import findings
from pytest_exposed.rules.selection import select

if TYPE_CHECKING:
    from report.document import Record

SERVICES: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("web", "nginx:1.27", "nginx", ("80/tcp", "443/tcp")),
    ("api", "registry.example/shop/api:2.14.3", "python3", ("8000/tcp", "9100/tcp")),
    ("db", "postgres:16", "postgres", ("5432/tcp",)),
    ("cache", "redis:7", "redis-server", ("6379/tcp",)),
    ("dns", "coredns/coredns:1.11", "coredns", ("53/tcp", "53/udp", "9153/tcp")),
    ("queue", "rabbitmq:3-management", "beam.smp", ("5672/tcp", "15672/tcp", "15692/tcp")),
    ("search", "opensearch:2", "java", ("9200/tcp", "9300/tcp", "9600/tcp", "9650/tcp")),
    ("metrics", "prom/prometheus:v2.53", "prometheus", ("9090/tcp",)),
    ("mail", "mailserver:14", "master", ("25/tcp", "143/tcp", "465/tcp", "587/tcp", "993/tcp")),
    ("voice", "livekit:1.7", "livekit", ("7880/tcp", "7881/tcp")),
    ("broker", "kafka:3.8", "java", ("9092/tcp", "9093/tcp")),
    ("files", "minio:2024", "minio", ("9000/tcp", "9001/tcp")),
    ("store", "cassandra:5", "java", ("7000/tcp", "7001/tcp", "7199/tcp", "9042/tcp")),
    ("mesh", "envoy:1.31", "envoy", ("10000/tcp", "9901/tcp", "15001/tcp", "15006/tcp")),
    ("trace", "jaeger:1.60", "all-in-one", ("4317/tcp", "4318/tcp", "14268/tcp", "16686/tcp")),
    ("login", "keycloak:25", "java", ("8080/tcp", "8443/tcp")),
    ("build", "jenkins:lts", "java", ("8080/tcp", "50000/tcp")),
    ("logs", "fluentd:1.17", "ruby", ("24224/tcp", "24224/udp", "5140/udp")),
    ("vpn", "wireguard:1", "wg", ("51820/udp",)),
    ("snmp", "snmpd:5", "snmpd", ("161/udp", "162/udp")),
)
EXTRA = tuple(f"{x}/tcp" for x in (22, 2375, 3000, 4000, 5000, 6060, 8081, 8125, 8888, 9999))
RULES = select(["all"])


def fleet(count: int, *, seed: int = 1) -> list[Record]:
    """Return the records of containers; about a fifth of them with drift."""
    random = Random(seed)  # noqa: S311  # it is to be the same every time
    return sorted(
        (_record(_container(random, x), random) for x in range(count)), key=lambda x: str(x["name"])
    )


def _container(random: Random, number: int) -> Container:
    name, image, process, ports = SERVICES[number % len(SERVICES)]
    documented, listening = list(ports), list(ports)
    kind: Kind = "reachable"
    drift = random.choice(["none"] * 12 + ["extra", "silent", "loopback"])
    if drift == "extra":
        listening.append(random.choice(EXTRA))
    elif drift == "silent":
        listening.pop()
    elif drift == "loopback":
        kind = "loopback"
    if name == "voice":
        documented += [f"{x}/udp" for x in range(50000, 50200)]
        listening += documented[-200:]
    if number % 7 == 0:
        listening.append(f"{random.randrange(32768, 60999)}/udp")
    owner = Process(1 + number % 3, process)
    published = [publication(ports[0], 20000 + number)] if number % 3 == 0 else []
    if number % 30 == 17:
        published = [publication(ports[0], Port.parse(ports[0]).number, ANY)]
    return container(
        *(_listener(x, kind, owner, ephemeral=x not in (*documented, *EXTRA)) for x in listening),
        documented=documented,
        published=[replace(x, host_ip="10.0.0.5") if number % 30 != 17 else x for x in published],
        name=f"{name}-{number // len(SERVICES) + 1}",
        image_name=image,
        id=f"{random.getrandbits(256):064x}",
        network_mode="host" if number % 50 == 49 else "shop_default",
    )


def _listener(port: str, kind: Kind, owner: Process, *, ephemeral: bool) -> Listener:
    if ephemeral:
        return listener(port, ANY, "ephemeral", owner)
    return listener(port, "127.0.0.1" if kind == "loopback" else "::", kind, owner)


def _record(one: Container, random: Random) -> Record:
    chance = random.random()
    if chance < 0.02:
        error = "no source can see its sockets: netlink: not permitted; exec: no cat in the image"
        seen = of_container(replace(one, verdict=ObservationError(error)))
        return seen | dict.fromkeys(("source", "documented", "listening", "listeners"))
    found = findings(one, RULES)
    if chance < 0.3:
        found = tuple(replace(x, waived="moves to the new base image in March") for x in found)
    return of_container(replace(one, verdict=found))
