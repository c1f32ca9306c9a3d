"""From what people write to single engines: a list of hosts can be another tool's list."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_exposed.engine import inventory
from pytest_exposed.engine.hosts import Given, Member, resolve


def expand(hosts: Sequence[Given], ansible_inventory: str | None) -> tuple[Given, ...]:
    """Return the hosts, each list of them replaced by its members.

    Raises ConfigurationError for a list that can't be had, or has no members.
    """
    found: list[Given] = []
    for host in hosts:
        if isinstance(host, str) and host.startswith(inventory.SCHEME):
            found += inventory.members(host, ansible_inventory)
        else:
            found.append(host)
    for host in found:
        if isinstance(host, Member):
            resolve(host)
    return tuple(dict.fromkeys(found))
