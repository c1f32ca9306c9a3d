"""Sockets by a `cat` inside the container: the image's claim, not the kernel's answer.

The last resort, where nothing else reaches the kernel: engines elsewhere that run no helper, and
runtimes with a kernel of their own (gVisor, Kata).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from pytest_exposed.errors import ExposedError, ObservationError
from pytest_exposed.sockets.reading import (
    Remote,
    SocketSnapshot,
    SocketSnapshots,
    Target,
    apart,
    is_outside_its_netns,
    outside_its_netns,
    reason_of,
    retry_with_current_addresses,
)
from pytest_exposed.sockets.remote import (
    OF_ADDRESSES,
    UDP6_STUB,
    addresses_of,
    reading,
    split_lines,
)
from pytest_exposed.sockets.source import Shared
from pytest_exposed.sockets.table import TableError
from pytest_exposed.sockets.tables.tcp_udp import READINGS
from pytest_exposed.sockets.tables.uid_map import has_one_user
from pytest_exposed.unpatched import side_by_side

_FILES = ("tcp", "tcp6", *["udp"] * READINGS, *["udp6"] * READINGS, "sctp/eps", *OF_ADDRESSES)

# The maps of `cat` itself, and of the container's first process, which may have made its own.
_MAPS = ("/proc/self/uid_map", "/proc/1/uid_map")

COMMAND = ("cat", *(f"/proc/self/net/{x}" for x in _FILES), *_MAPS)

# `cat` goes on after a missing file: the headings say which table follows.
_HEADINGS = (
    ("tcp", re.compile(rb" +sl +local_address rem_address .* inode *")),
    ("tcp6", re.compile(rb" +sl +local_address +remote_address .* inode *")),
    ("udp", re.compile(rb" +sl +local_address rem_address .* inode ref pointer drops *")),
    ("udp6", re.compile(rb" +sl +local_address +remote_address .* inode ref pointer drops *")),
    ("sctp/eps", re.compile(rb" ENDPT +SOCK +STY +SST .*")),
    ("fib_trie", re.compile(rb"(?:Main|Local|Id [0-9]+):")),
    ("route", re.compile(rb"Iface\tDestination\tGateway.*")),
)
_OFTEN = ("udp", "udp6", "fib_trie", UDP6_STUB)
"""Tables that are read several times, or that span several files."""
_HEADS = re.compile(rb" +sl | ENDPT|[MLI]")
"""The first words of the tables' headings."""
_USERS = re.compile(rb"( +[0-9]{1,10}){3}")
"""A line of a map of user ids (uid_m_show in kernel/user_namespace.c)."""
_IPV6_ADDRESS = re.compile(rb"[0-9a-f]{32}( [0-9a-f]{2,8}){4} +[^ ]+")


_AT_ONCE = 4
"""Containers in which `cat` runs at a time: this halves the time, and more do not shorten it."""


name = "exec"
needs = "cat in the image, and trust in it: it is what the image claims"


def observe(targets: Sequence[Target], shared: Shared) -> SocketSnapshots:
    """Return what `cat` in each target says, or why it can't."""
    remote = shared.engine
    answers: SocketSnapshots = {}
    if targets:
        _ = remote.byteorder  # asked once, before the threads need it

    def look(target: Target) -> None:
        try:
            answers[target.id] = _observe(target, remote)
        except Exception as error:
            if isinstance(error, ExposedError) and not isinstance(error, ObservationError):
                raise  # an engine that is lost
            answers[target.id] = reason_of(error)

    # After an error, what still runs ends with its connection or by its timeout.
    side_by_side([partial(look, x) for x in targets], _AT_ONCE)
    return _with_guests(targets, {x.id: answers[x.id] for x in targets})


def _with_guests(targets: Sequence[Target], answers: SocketSnapshots) -> SocketSnapshots:
    """Return the answers, with containers grouped that share the network of a guest.

    A guest's network may be any container's. A socket has one inode in a kernel, so two containers
    that show the same inode share one network.
    """
    readings = {k: x for k, x in answers.items() if isinstance(x, SocketSnapshot)}
    for guest in (x.id for x in targets if x.may_be_anyones and x.id in readings):
        sockets = set(readings[guest].sockets)
        together = {k: x for k, x in readings.items() if sockets.intersection(x.sockets)}
        namespace = min(together, default=guest)
        for key, found in together.items():
            shared = found.shared or len(together) > 1
            readings[key] = replace(found, namespace=("of", namespace), shared=shared)
    return answers | readings


def _observe(target: Target, remote: Remote) -> SocketSnapshot:
    tables = parse(remote.execute(target.id, COMMAND))

    def look(target: Target) -> SocketSnapshot:
        # `cat` runs in the namespaces that the container's first process is in now.
        if is_outside_its_netns(target, addresses_of(target, tables), at_host=None):
            raise outside_its_netns(target)
        if target.has_no_address and _has_users_apart(tables.get("uid_map", [])):
            raise apart()
        return reading("exec", target, target.place, tables, remote.byteorder)

    return retry_with_current_addresses(target, look)


def _has_users_apart(maps: Sequence[bytes]) -> bool:
    """Return whether the first process is in a user namespace of its own making.

    maps has the lines of both processes' maps of user ids. The runtime starts `cat` in the user
    namespace that it made for the container, or in the engine's. A first process that left this
    namespace has another map, or one of a single user.
    """
    half = len(maps) // 2
    return maps[:half] != maps[half:] or (half > 0 and has_one_user(b"\n".join(maps[:half])))


def parse(text: bytes) -> dict[str, list[bytes]]:
    """Return the lines of each table by its name; TableError for any other text."""
    tables: dict[str, list[bytes]] = {}
    current: list[bytes] | None = None
    for line in split_lines(text):
        name = _heading(line)
        if name == "tcp6" and "udp" in tables:
            name = UDP6_STUB
        if name is not None:
            if name in tables and name not in _OFTEN:
                raise TableError(f"the text has two tables {name}")
            current = tables.setdefault(name, [])
            current.append(line)
        elif _IPV6_ADDRESS.fullmatch(line):
            tables.setdefault("if_inet6", []).append(line)
        elif _USERS.fullmatch(line):
            tables.setdefault("uid_map", []).append(line)
        elif current is None:
            raise TableError(f"the text begins with {line[:80]!r}, which is no table of sockets")
        else:
            current.append(line)
    if any(_heading(x) is None for x in tables.get(UDP6_STUB, ())):
        raise TableError("the text has two tables tcp6")
    return tables


def _heading(line: bytes) -> str | None:
    """Return the table's name if a line is a heading, or None."""
    if not _HEADS.match(line):  # a quick check, for a million lines
        return None
    return next((name for name, heading in _HEADINGS if heading.fullmatch(line)), None)
