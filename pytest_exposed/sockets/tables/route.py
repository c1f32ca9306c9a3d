"""/proc/<pid>/net/route: the IPv4 routes of a namespace.

Format: fib_route_seq_show in net/ipv4/fib_trie.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network
from itertools import islice

from pytest_exposed.sockets.table import TableError

_MOST_ROUTES = 4096
"""Lines that are read: default routes come first, then networks, lowest first (fib_trie.c)."""
_ROUTE = re.compile(
    rb"(?P<device>[^\t ]+) *\t(?P<to>[0-9A-F]{8})\t(?P<via>[0-9A-F]{8})\t[0-9A-F]{4}\t[0-9]+"
    rb"\t[0-9]+\t(?P<metric>[0-9]{1,10})\t(?P<mask>[0-9A-F]{8})\t"
)


def parse_default_network(lines: Iterable[bytes], byteorder: str) -> IPv4Network | None:
    """Return the network of the default route in a table route; None without a default route.

    byteorder is that of the machine that wrote the table: addresses are words in its order.
    """
    defaults: list[tuple[int, bytes, IPv4Address]] = []
    networks: list[tuple[bytes, IPv4Network]] = []
    for line in islice(lines, 1, _MOST_ROUTES):
        match = _ROUTE.match(line)
        if match is None:
            raise TableError("route has a line that is not a route")
        words = (bytes.fromhex(match[x].decode()) for x in ("to", "via", "mask"))
        to, via, mask = (IPv4Address(x[::-1] if byteorder == "little" else x) for x in words)
        if int(mask) == 0:
            defaults.append((int(match["metric"]), match["device"], via))
        elif int(via) == 0:
            with suppress(ValueError):  # a mask with holes
                networks.append((match["device"], IPv4Network((int(to), str(mask)), strict=False)))
    for _, device, via in sorted(defaults)[:1]:
        return next((x for name, x in networks if name == device and via in x), None)
    return None
