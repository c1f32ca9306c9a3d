"""From what people write to single engines: a list of hosts can be another tool's list."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_exposed.engine import inventory, nodes
from pytest_exposed.engine.hosts import Given, Member, resolve, without_user
from pytest_exposed.errors import ConfigurationError


def expand(
    hosts: Sequence[Given], ansible_inventory: str | None
) -> tuple[tuple[Given, ...], tuple[str, ...]]:
    """Return the hosts, each list of them replaced by its members, and lines on what is left out.

    Of several hosts one that can't be one is kept, with its trouble. Raises ConfigurationError for
    a list that can't be had, or has no members.
    """
    found: list[Given] = []
    lines: list[str] = []
    for host in hosts:
        if isinstance(host, str) and host.startswith(inventory.SCHEME):
            found += inventory.members(host, ansible_inventory)
        elif isinstance(host, str) and host.startswith(nodes.SCHEME):
            ready, absent = nodes.members(host)
            found += ready
            lines += absent
        else:
            found.append(host)
    if len(found) > 1:
        found = [_looked_up(x) for x in found]
    for host in found:
        if isinstance(host, Member):
            resolve(host)
    if not found:
        raise ConfigurationError(f"no node of the swarm is ready: {'; '.join(lines)}")
    return tuple(dict.fromkeys(found)), tuple(lines)


def _looked_up(host: Given) -> Given:
    """Return one of several hosts; where it can't be one, a host that says so: others can."""
    if isinstance(host, Member):
        return host
    try:
        resolve(host)
    except ConfigurationError as error:
        name = without_user(host or "").replace("://", ":")
        return Member(name or "default", None, trouble=str(error))
    return host
