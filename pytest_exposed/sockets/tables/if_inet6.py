"""/proc/<pid>/net/if_inet6: the IPv6 addresses of a namespace. Format: proc_pid_net(5)."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Address

from pytest_exposed.sockets.table import TableError


def parse_ipv6_addresses(lines: Iterable[bytes]) -> list[str]:
    """Return the IPv6 addresses in a table if_inet6, without loopback's."""
    found = []
    for line in lines:
        fields = line.split()
        if len(fields) != 6 or len(fields[0]) != 32:
            raise TableError("if_inet6 has a line that is not an address")
        try:
            address = IPv6Address(bytes.fromhex(fields[0].decode()))
        except ValueError:
            raise TableError("if_inet6 has a line that is not an address") from None
        if not address.is_loopback:
            found.append(str(address))
    return found
