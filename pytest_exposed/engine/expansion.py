"""From what people write to single engines: a list of hosts can be another tool's list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_exposed.engine import inventory, nodes
from pytest_exposed.engine.hosts import Given, Member, resolve, without_user
from pytest_exposed.errors import ConfigurationError


def expand(
    hosts: Sequence[Given], ansible_inventory: str | None
) -> tuple[tuple[Given, ...], tuple[str, ...]]:
    """Return the hosts, each list of them replaced by its members, and lines on what is left out.

    An invalid host among several is kept, with its error: the others can be looked at. Raises
    ConfigurationError for an invalid host alone, and a list that can't be read or has no members.
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
    elif found and isinstance(found[0], Member):
        resolve(found[0])
    if not found:
        raise ConfigurationError(f"no node of the swarm is ready: {'; '.join(lines)}")
    return tuple(dict.fromkeys(found)), tuple(lines)


def _looked_up(host: Given) -> Given:
    """Return one of several hosts; for an invalid one, a host that says so."""
    try:
        resolve(host)
    except ConfigurationError as error:
        if isinstance(host, Member):
            return replace(host, address=None, trouble=str(error))
        name = without_user(host or "").replace("://", ":")
        return Member(name or "default", None, trouble=str(error))
    return host
