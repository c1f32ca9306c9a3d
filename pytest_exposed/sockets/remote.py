"""What the sources on engines of another kernel have in common: text that came from far away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_exposed.sockets.reading import SocketSnapshot, Target
from pytest_exposed.sockets.table import Socket, TableError
from pytest_exposed.sockets.tables.fib_trie import parse_ipv4_addresses
from pytest_exposed.sockets.tables.if_inet6 import parse_ipv6_addresses
from pytest_exposed.sockets.tables.route import parse_default_network
from pytest_exposed.sockets.tables.sctp_eps import parse_endpoints
from pytest_exposed.sockets.tables.tcp_udp import parse_table, steady

LIMIT = 64 << 20
"""Bytes of text that are taken: some 400,000 rows of tables."""

MOST_LINES = 1_000_000
"""Lines of it: as Python objects empty ones take many times what they are as text."""


OF_ADDRESSES = ("if_inet6", "fib_trie", "route")
"""Tables that tell of a namespace's addresses, and not of its sockets."""

UDP6_STUB = "udp6 stub"
"""What gVisor has instead of a table udp6: the heading of tcp6, and never a row, whatever sockets
there are (newTaskNetDir in pkg/sentry/fsimpl/proc/task_net.go)."""

NO_SOCKETS = (*OF_ADDRESSES, "uid_map", UDP6_STUB)
"""Tables without sockets."""


def addresses_of(target: Target, tables: Mapping[str, list[bytes]]) -> frozenset[str] | None:
    """Return the addresses by which tables tell the network of a target; None where they don't."""
    found = ipv4_addresses(tables)
    if found is not None and target.has_only_ipv6:
        return found.union(parse_ipv6_addresses(tables.get("if_inet6", [])))
    return found


def ipv4_addresses(tables: Mapping[str, list[bytes]]) -> frozenset[str] | None:
    """Return the IPv4 addresses of the namespace that tables are of; None where they don't tell."""
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
    """Return the reading of a target from the lines of its tables; TableError if one is none.

    tcp and udp must be among them; tcp6 and udp6 are missing where the kernel has no IPv6, sctp/eps
    where it has no SCTP. Tables of UDP are there several times over: see tcp_udp.steady.
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
            for one in readings:  # that is no table makes the text none
                parse_table(one, name, byteorder)
            found += parse_table(steady(readings, name), name, byteorder)
        else:
            # gVisor orders rows by the sockets' numbers, not by their states.
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
    """Yield the readings of a table that was read several times: each begins with its heading."""
    starts = [number for number, line in enumerate(lines) if line == lines[0]] or [0]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield lines[start:end]


def split_lines(text: bytes) -> list[bytes]:
    """Return the lines of a text that ends with a whole one.

    Raises TableError where it is cut off, or has more lines than any text of ours.
    """
    if not text:
        return []
    if not text.endswith(b"\n"):
        raise TableError("the text ends in the middle of a line")
    if text.count(b"\n") > MOST_LINES:
        raise TableError(f"the text has over {MOST_LINES} lines")
    return text[:-1].split(b"\n")
