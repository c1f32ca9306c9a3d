"""Sockets as a `cat` inside the container tells them: what the image claims, not the kernel.

The last resort: for engines whose kernel nothing else reaches, and for runtimes that keep sockets
in a kernel of their own (gVisor, Kata).
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
from pytest_exposed.sockets.source import Shared, SocketSnapshots
from pytest_exposed.sockets.table import TableError
from pytest_exposed.sockets.tables.tcp_udp import READINGS
from pytest_exposed.sockets.tables.uid_map import has_one_user
from pytest_exposed.unpatched import side_by_side

_FILES = ("tcp", "tcp6", *["udp"] * READINGS, *["udp6"] * READINGS, "sctp/eps", *OF_ADDRESSES)

# Those of the process that reads, and of the container's first one, which may have made its own.
_MAPS = ("/proc/self/uid_map", "/proc/1/uid_map")

COMMAND = ("cat", *(f"/proc/self/net/{x}" for x in _FILES), *_MAPS)

# `cat` of several files goes on after one that is missing: the headings say which table is which.
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
"""Tables that are read several times, or that consist of several."""
_HEADS = re.compile(rb" +sl | ENDPT|[MLI]")
"""How headings begin."""
_USERS = re.compile(rb"( +[0-9]{1,10}){3}")
"""A line of a map of user ids (uid_m_show in kernel/user_namespace.c)."""
_IPV6_ADDRESS = re.compile(rb"[0-9a-f]{32}( [0-9a-f]{2,8}){4} +[^ ]+")


_AT_ONCE = 4
"""Containers in which `cat` runs at a time: half of the time of one after the other, and with more
it gets no shorter."""


name = "exec"
needs = "cat in the image, and trust in it: it is what the image claims"


def observe(targets: Sequence[Target], shared: Shared) -> SocketSnapshots:
    """Return what `cat` in each target says, or why it can't."""
    remote = shared.engine
    answers: SocketSnapshots = {}
    if targets:
        _ = remote.byteorder  # asked for once, and kept

    def look(target: Target) -> None:
        try:
            answers[target.id] = _observe(target, remote)
        except Exception as error:
            if isinstance(error, ExposedError) and not isinstance(error, ObservationError):
                raise  # an engine that is lost
            answers[target.id] = reason_of(error)

    # After an error what runs already ends with its connection, or after its own time.
    side_by_side([partial(look, x) for x in targets], _AT_ONCE)
    return _with_guests(targets, {x.id: answers[x.id] for x in targets})


def _with_guests(targets: Sequence[Target], answers: SocketSnapshots) -> SocketSnapshots:
    """Return answers in which those are together who share a network with one that may be anyone's.

    A socket has one inode on a kernel: where two containers show the same one, it is one network.
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
        # It runs in the namespaces that the container's first process is in now.
        if is_outside_its_netns(target, addresses_of(target, tables), at_host=None):
            raise outside_its_netns(target)
        if target.has_no_address and _has_users_apart(tables.get("uid_map", [])):
            raise apart()
        return reading("exec", target, target.place, tables, remote.byteorder)

    return retry_with_current_addresses(target, look)


def _has_users_apart(maps: Sequence[bytes]) -> bool:
    """Return whether the lines of two maps of user ids are of two maps, or of one for one user.

    The runtime starts `cat` in the user namespace that it made one for, as the first process left
    it; where it made none, in that of the engine.
    """
    half = len(maps) // 2
    return maps[:half] != maps[half:] or (half > 0 and has_one_user(b"\n".join(maps[:half])))


def parse(text: bytes) -> dict[str, list[bytes]]:
    """Return the lines of the tables by their names; TableError for another text."""
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
    """Return the name of the table that a line is the heading of, None where it is none."""
    if not _HEADS.match(line):  # as few do: a text can have a million lines
        return None
    return next((name for name, heading in _HEADINGS if heading.fullmatch(line)), None)
