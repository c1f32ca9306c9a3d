"""Every parser of what comes from outside, as a function of bytes: an ExposedError or a value."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal
from unittest.mock import patch

from fuzz.records import (
    CONTEXT,
    ID,
    IMAGE,
    INSPECTED,
    INVENTORY,
    LISTED,
    NODE,
    SERVICE,
    altered,
)
from fuzz.seeds import HELPER_IDS

from pytest_exposed.engine import inventory
from pytest_exposed.engine.hosts import Host, Member, resolve
from pytest_exposed.engine.image_records import image_from_record, layers
from pytest_exposed.engine.inspection import Inspected
from pytest_exposed.engine.json_fields import when
from pytest_exposed.engine.nodes import _member, _node
from pytest_exposed.engine.records import Listed, RecordError
from pytest_exposed.engine.swarm import joined
from pytest_exposed.engine.transport.frames import output
from pytest_exposed.errors import ExposedError, ObservationError
from pytest_exposed.model import Container, Image
from pytest_exposed.model.endpoints import BoundPort, PublishedPort
from pytest_exposed.model.ports import Ports
from pytest_exposed.observation.command import substitute
from pytest_exposed.report.finding_groups import neighbours
from pytest_exposed.rules import baseline
from pytest_exposed.rules.acceptance import Acceptance
from pytest_exposed.rules.judge import findings
from pytest_exposed.rules.selection import expand, select, split
from pytest_exposed.rules.waivers import Waiver
from pytest_exposed.sockets import exec as exec_
from pytest_exposed.sockets import helper
from pytest_exposed.sockets.cgroups import owner_of
from pytest_exposed.sockets.listeners import listeners
from pytest_exposed.sockets.reading import LOCAL_PORTS, SocketSnapshot, Target
from pytest_exposed.sockets.sock_diag import _rows, parse_row
from pytest_exposed.sockets.source import Shared
from pytest_exposed.sockets.table import Socket, lines_of
from pytest_exposed.sockets.tables.fib_trie import parse_ipv4_addresses
from pytest_exposed.sockets.tables.if_inet6 import parse_ipv6_addresses
from pytest_exposed.sockets.tables.route import parse_default_network
from pytest_exposed.sockets.tables.sctp_eps import parse_endpoints
from pytest_exposed.sockets.tables.tcp_udp import parse_table
from pytest_exposed.text import printable

_HEADING = (
    b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
    b"timeout inode\n"
)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _rows_of(name: str) -> Callable[[bytes], object]:
    return lambda data: parse_table(lines_of([_HEADING, data], name), name)


_DUMPS: tuple[tuple[int, Literal["tcp", "udp"]], ...] = (
    (socket.AF_INET, "tcp"),
    (socket.AF_INET6, "tcp"),
    (socket.AF_INET, "udp"),
    (socket.AF_INET6, "udp"),
)


def _netlink(data: bytes) -> list[Socket]:
    """Read the answer to one of the dumps, in one datagram or several: the first byte says it."""
    first, answer = data[:1] or b"\0", data[1:]
    size = len(answer) // (1 + first[0] // 64) + 1
    rest = [answer[x : x + size] for x in range(0, len(answer), size)]
    number = first[0] % 4
    rows = _rows(lambda: rest.pop(0) if rest else b"", number + 1)
    return [parse_row(x, *_DUMPS[number]) for x in rows]


class _Stream:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def receive(self, _: float) -> bytes:
        part, self._data = self._data[:100], self._data[100:]
        return part


class _Remote:
    """An engine on which the helper and `cat` write the input."""

    byteorder = "little"

    def __init__(self, data: bytes) -> None:
        self._data = data

    def about(self, name: str) -> str:  # noqa: ARG002  # of the protocol
        return ""

    def run_helper(self, script: str, arguments: Sequence[str], end: bytes) -> bytes:  # noqa: ARG002  # of the protocol
        return self._data + end

    def execute(self, container: str, command: Sequence[str]) -> bytes:  # noqa: ARG002  # of the protocol
        return self._data


def _targets() -> list[Target]:
    ids = (*HELPER_IDS, ID)
    return [Target(x, frozenset(), ids[0], shares=False, main_pid=lambda: 9476) for x in ids]


def _judged(answers: dict[str, SocketSnapshot | ObservationError]) -> None:
    """Go on from what was seen to what is said of it."""
    readings = [x for x in answers.values() if isinstance(x, SocketSnapshot)]
    held = {x for reading in readings for x in reading.held or ()}
    for reading in readings:
        image = Image(ID, "x", Ports.parse(80, "53/udp"))
        found = listeners(reading, held, image.documented, LOCAL_PORTS)
        container = Container(
            id=ID,
            name="x",
            image=image,
            network_mode="bridge",
            state="running",
            declared=Ports(),
            published=(),
            listeners=found,
            source=reading.source,
            host="x",
        )
        neighbours(findings(container, select(["all"])))


def _listed(data: bytes) -> object:
    record = {**altered(LISTED, data), "Id": ID}
    return _of_listed(record, [SERVICE])


def _service(data: bytes) -> object:
    return _of_listed(LISTED, [altered(SERVICE, data)])


def _of_listed(record: dict[str, Any], services: list[dict[str, Any]]) -> object:
    try:
        (one, untold) = map(
            Listed.from_record, (*joined([record], services), *joined([record], ""))
        )
    except RecordError:  # which the engine's errors name
        return None
    allowed = Acceptance(labels=True)._own_waivers(_labelled(one))
    return one.up_for, one.starting, str(one.published), one.service, untold, allowed, hash(one)


def _labelled(one: Listed) -> Any:
    """Return what has a container's labels."""
    return type("Labelled", (), {"labels": one.labels})


def _image(data: bytes) -> object:
    record = altered(IMAGE, data)
    image = image_from_record(record, "x")
    history = record.get("History")
    known = [x for x in history if isinstance(x, dict)] if isinstance(history, list) else []
    return layers(image, known)


def _nodes(data: bytes) -> object:
    node = _node(altered(NODE, data))
    found = _member(node.name, node.address, "ssh://me@m:22", resolve("ssh://me@m:22"))
    return _shown_of(found)


def _inventory(data: bytes) -> object:
    tree = altered(INVENTORY, data)
    with patch.object(inventory, "_inventory", lambda _: (tree, "")):
        return [_shown_of(x) for x in inventory.members("ansible://all", None)]


def _shown_of(member: Member) -> Host:
    host = resolve(member, {})
    assert host.shown.isprintable()
    return host


def _context(data: bytes) -> object:
    with TemporaryDirectory(prefix="pe-fuzz-") as folder:
        meta = Path(folder, "contexts", "meta", sha256(b"x").hexdigest())
        meta.mkdir(parents=True)
        meta.joinpath("meta.json").write_text(json.dumps(altered(CONTEXT, data)))
        with patch.dict(os.environ, {"DOCKER_CONFIG": folder}):
            return resolve("x", {})


def _baseline(data: bytes) -> object:
    with TemporaryDirectory(prefix="pe-fuzz-") as folder:
        path = Path(folder, "baseline")
        path.write_bytes(baseline.HEADING.encode() + data)
        return baseline.read(path)


def _words(data: bytes) -> object:
    """Compare a container's command with the entrypoint and command of its image."""
    command, entrypoint, own = (
        tuple(x.split("\0")) for x in [*_text(data).split("\n", 2), "", ""][:3]
    )
    image = Image(ID, "x", Ports(), entrypoint=entrypoint, command=own)
    return substitute(command, image, {"owner": "molecule"})


TARGETS: dict[str, Callable[[bytes], object]] = {
    "ports": lambda data: Ports.parse(_text(data)),
    "bound": lambda data: BoundPort.parse(_text(data)),
    "published": lambda data: PublishedPort.parse(_text(data)),
    "exposed": lambda data: Ports.from_exposed(_text(data).split("\n")),
    "rules": lambda data: expand(split(_text(data))),
    "waiver": lambda data: Waiver.parse(_text(data)),
    "baseline": _baseline,
    "host": lambda data: resolve(_text(data), {}),
    "tcp": _rows_of("tcp"),
    "tcp6": _rows_of("tcp6"),
    "udp": _rows_of("udp"),
    "udp6": _rows_of("udp6"),
    "lines": lambda data: parse_table(lines_of([data], "tcp"), "tcp"),
    "sctp": lambda data: parse_endpoints(lines_of([b"ENDPT SOCK STY SST\n", data], "eps")),
    "if_inet6": lambda data: parse_ipv6_addresses(lines_of([data], "if_inet6")),
    "fib_trie": lambda data: parse_ipv4_addresses(b"Main:\n" + data),
    "route": lambda data: parse_default_network(lines_of([b"\n" + data], "route"), "little"),
    "cgroup": lambda data: owner_of(data, {ID.encode()}),
    "netlink": _netlink,
    "helper": lambda data: _judged(
        helper.observe(_targets(), Shared([ID], _Remote(data + b"\n@host 1")))
    ),
    "cat": lambda data: _judged(exec_.observe(_targets()[:1], Shared([ID], _Remote(data)))),
    "frames": lambda data: b"".join(output(_Stream(data), time.monotonic() + 60)),
    "listed": _listed,
    "inspected": lambda data: Inspected.from_record(altered(INSPECTED, data)),
    "image": _image,
    "service": _service,
    "node": _nodes,
    "context": _context,
    "inventory": _inventory,
    "words": _words,
    "time": lambda data: when(_text(data)),
    "printable": lambda data: _shown(_text(data)),
}
"""By name."""


def _shown(text: str) -> str:
    shown = printable(text)
    assert shown.isprintable()
    return shown


def run(name: str, data: bytes) -> None:
    """Run a target; whatever but an error of ours, that can be shown, escapes it is a fault."""
    try:
        TARGETS[name](data)
    except ExposedError as error:
        text = str(error)
        assert len(text) < 100 * len(data) + 10_000  # either is right
        assert all(x.isprintable() for x in text.split("\n"))
