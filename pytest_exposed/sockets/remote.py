"""Tables read as text on another kernel: the common part of helper and exec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_exposed.sockets.reading import SocketSnapshot, Target
from pytest_exposed.sockets.table import Socket, TableError
from pytest_exposed.sockets.tables.fib_trie import parse_ipv4_addresses
from pytest_exposed.sockets.tables.if_inet6 import parse_ipv6_addresses
from pytest_exposed.sockets.tables.route import parse_default_network
from pytest_exposed.sockets.tables.sctp_eps import parse_endpoints
from pytest_exposed.sockets.tables.tcp_udp import parse_table, steady

MOST_LINES = 1_000_000
"""Lines that are accepted: as Python objects, empty ones take many times their bytes."""


OF_ADDRESSES = ("if_inet6", "fib_trie", "route")
"""Tables of a namespace's addresses instead of its sockets."""

UDP6_STUB = "udp6 stub"
"""gVisor's table udp6: the heading of tcp6 without any row, whatever sockets there are
(newTaskNetDir in pkg/sentry/fsimpl/proc/task_net.go)."""

NO_SOCKETS = (*OF_ADDRESSES, "uid_map", UDP6_STUB)
"""Tables without sockets."""


def addresses_of(target: Target, tables: Mapping[str, list[bytes]]) -> frozenset[str] | None:
    """Return the addresses in the tables that identify a target's network; None without any."""
    found = ipv4_addresses(tables)
    if found is not None and target.has_only_ipv6:
        return found.union(parse_ipv6_addresses(tables.get("if_inet6", [])))
    return found


def ipv4_addresses(tables: Mapping[str, list[bytes]]) -> frozenset[str] | None:
    """Return the IPv4 addresses in a namespace's tables; None if they have no such table."""
    lines = tables.get("fib_trie")
    return parse_ipv4_addresses(b"\n".join([*lines, b""])) if lines is not None else None


def reading(
    source: str,
    target: Target,
    namespace: object,
    tables: Mapping[str, list[bytes]],
    byteorder: str,
    *,
    at_host: bool = False,
) -> SocketSnapshot:
    """Return the snapshot of a target from the lines of its tables; TableError for a malformed one.

    tcp and udp are required. tcp6 and udp6 are missing on a kernel without IPv6, sctp/eps on one
    without SCTP. Tables of UDP are there several times: see tcp_udp.steady.
    """
    found: list[Socket] = []
    for name in ("tcp", "udp"):
        if name not in tables:
            raise TableError(f"the text has no table {name}")
    for name, lines in tables.items():
        if name in NO_SOCKETS:
            continue
        if name == "sctp/eps":
            found += parse_endpoints(lines)
        elif name.startswith("udp"):
            readings = list(_readings(lines))
            for one in readings:  # one malformed reading makes the whole text invalid
                parse_table(one, name, byteorder)
            found += parse_table(steady(readings, name), name, byteorder)
        else:
            # gVisor orders rows by socket ids, not by states.
            found += parse_table(lines, name, byteorder, ordered=source != "exec")
    ipv4, ipv6 = ipv4_addresses(tables), parse_ipv6_addresses(tables.get("if_inet6", []))
    default_network = parse_default_network(tables.get("route", []), byteorder)
    return SocketSnapshot(
        source=source,
        namespace=namespace,
        sockets=tuple(found),
        ipv6=bool(ipv6),
        addresses=ipv4.union(ipv6) if ipv4 is not None else None,
        local_ports=None,
        cgroups=None,
        held=None,
        shared=target.shares or at_host,
        at_host=at_host,
        shows_udp6=UDP6_STUB not in tables,
        default_network=default_network if len(target.addresses) > 1 else None,
    )


def _readings(lines: list[bytes]) -> Iterator[list[bytes]]:
    """Yield each reading of a table that was read several times; a heading begins each."""
    starts = [number for number, line in enumerate(lines) if line == lines[0]] or [0]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield lines[start:end]


def split_lines(text: bytes) -> list[bytes]:
    """Return the lines of a text.

    Raises TableError if the last line is cut off, or if there are more lines than accepted.
    """
    if not text:
        return []
    if not text.endswith(b"\n"):
        raise TableError("the text ends in the middle of a line")
    if text.count(b"\n") > MOST_LINES:
        raise TableError(f"the text has over {MOST_LINES} lines")
    return text[:-1].split(b"\n")
