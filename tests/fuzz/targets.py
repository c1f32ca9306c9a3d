"""Every parser of what comes from outside, as a function of bytes: an ExposedError or a value."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pytest_exposed import baseline
from pytest_exposed.endpoints import BoundPort, PublishedPort
from pytest_exposed.engine.frames import output
from pytest_exposed.engine.hosts import resolve
from pytest_exposed.engine.records import (
    Inspected,
    Listed,
    RecordError,
    image_from_record,
    layers,
    when,
)
from pytest_exposed.errors import ExposedError
from pytest_exposed.ports import Ports
from pytest_exposed.rules import expand, split
from pytest_exposed.sockets import exec as exec_
from pytest_exposed.sockets import helper
from pytest_exposed.sockets.netlink import _rows, parse_row
from pytest_exposed.sockets.process import owner_of
from pytest_exposed.sockets.table import (
    lines_of,
    parse_endpoints,
    parse_ipv4_addresses,
    parse_ipv6_addresses,
    parse_table,
)
from pytest_exposed.text import printable
from pytest_exposed.waivers import Waiver

ID = "0123456789abcdef" * 4


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _rows_of(name: str) -> Callable[[bytes], object]:
    heading = (
        b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
        b"timeout inode\n"
    )
    return lambda data: parse_table(lines_of([heading, data], name), name)


def _netlink(data: bytes) -> object:
    rest = [data[x : x + 512] for x in range(0, len(data), 512)]
    rows = _rows(lambda: rest.pop(0) if rest else b"", 1)
    return [parse_row(x, socket.AF_INET6, "tcp") for x in rows]


class _Stream:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def receive(self, _: float) -> bytes:
        part, self._data = self._data[:100], self._data[100:]
        return part


def _json(read: Callable[[Any], object]) -> Callable[[bytes], object]:
    """Return a function that reads what the engine's JSON has in it, where it is any."""

    def target(data: bytes) -> object:
        try:
            record = json.loads(data)
        except (ValueError, RecursionError):
            return None
        return read(record) if isinstance(record, dict) else None

    return target


def _listed(record: dict[str, Any]) -> object:
    try:
        found = Listed.from_record({"Id": ID, **record})
    except RecordError:  # which the engine's errors name
        return None
    return found.up_for, found.starting, str(found.published)


def _image(record: dict[str, Any]) -> object:
    image = image_from_record(record, "x")
    history = record.get("History")
    known = [x for x in history if isinstance(x, dict)] if isinstance(history, list) else []
    return layers(image, known)


def _baseline(data: bytes) -> object:
    with TemporaryDirectory(prefix="pe-fuzz-") as folder:
        path = Path(folder, "baseline")
        path.write_bytes(baseline.HEADING.encode() + data)
        return baseline.read(path)


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
    "lines": lambda data: parse_table(lines_of([data], "tcp"), "tcp"),
    "sctp": lambda data: parse_endpoints([b"ENDPT SOCK STY SST", *data.split(b"\n")]),
    "if_inet6": lambda data: parse_ipv6_addresses(data.split(b"\n")),
    "fib_trie": lambda data: parse_ipv4_addresses(b"Main:\n" + data),
    "cgroup": lambda data: owner_of(data, {ID.encode()}),
    "netlink": _netlink,
    "helper": lambda data: helper.parse(data + b"\n@host \n@done\n"),
    "cat": exec_.parse,
    "frames": lambda data: b"".join(output(_Stream(data), time.monotonic() + 60)),
    "listed": _json(_listed),
    "inspected": _json(Inspected.from_record),
    "image": _json(_image),
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
        assert len(str(error)) < 100 * len(data) + 10_000  # noqa: PT017  # either is right
