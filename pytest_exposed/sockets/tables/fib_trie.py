"""/proc/<pid>/net/fib_trie: the local IPv4 addresses of a namespace.

Format: fib_trie_seq_show in net/ipv4/fib_trie.c.
"""

from __future__ import annotations

import re
from socket import AF_INET, inet_pton

from pytest_exposed.sockets.table import TableError

_LOCAL = re.compile(rb"\|-- ([0-9.]+)\n +/32 (?:host LOCAL|link BROADCAST)\n")


# A route of type local can cover a whole range (ip-route(8)), as loopback's does.
_LOCAL_RANGE = re.compile(
    rb"\|-- (?!127\.)[0-9.]+\n(?: +/[0-9]+ [^\n]*\n)*? +/(?:[0-9]|[12][0-9]|3[01]) host LOCAL\n"
)


def parse_ipv4_addresses(text: bytes) -> frozenset[str] | None:
    """Return the local IPv4 addresses in a table fib_trie, without loopback's.

    Broadcast addresses are among them. Returns None if whole ranges are local.
    """
    # The table is empty without any route, even to loopback.
    if text and not (text.startswith((b"Main:\n", b"Local:\n", b"Id ")) and text.endswith(b"\n")):
        raise TableError("fib_trie does not begin or end as a table of routes")
    if _LOCAL_RANGE.search(text):
        return None
    found = []
    for address in {x.decode() for x in _LOCAL.findall(text)}:
        try:
            inet_pton(AF_INET, address)  # IPv4Address takes ten times as long
        except OSError:
            raise TableError("fib_trie has a line that is not an address") from None
        if not address.startswith("127."):
            found.append(address)
    return frozenset(found)
