"""Expands lists of hosts, such as an Ansible group, to single engines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_exposed.engine.hosts import Given, Member, resolve, without_user
from pytest_exposed.errors import ConfigurationError


def expand(
    hosts: Sequence[Given], ansible_inventory: str | None
) -> tuple[tuple[Given, ...], tuple[str, ...]]:
    """Return the hosts, with each list replaced by its members, and a line per member left out.

    An invalid host stays, with its error, so that the others are audited. Raises
    ConfigurationError for a list that can't be read or has no members.
    """
    found: list[Given] = []
    lines: list[str] = []
    for host in hosts:
        if isinstance(host, str) and host.startswith("ansible://"):
            from pytest_exposed.engine import inventory  # noqa: PLC0415  # slow to import

            found += inventory.members(host, ansible_inventory)
        elif isinstance(host, str) and host.startswith("swarm://"):
            from pytest_exposed.engine import nodes  # noqa: PLC0415  # slow to import

            ready, absent = nodes.members(host)
            found += ready
            lines += absent
        else:
            found.append(host)
    if not found:
        raise ConfigurationError(f"no node of the swarm is ready: {'; '.join(lines)}")
    return tuple(dict.fromkeys(map(_looked_up, found))), tuple(lines)


def _looked_up(host: Given) -> Given:
    """Return a host as it is; for an invalid one, a member with its error."""
    try:
        resolve(host)
    except ConfigurationError as error:
        if isinstance(host, Member):
            return replace(host, address=None, trouble=str(error))
        name = without_user(host or "").replace("://", ":")
        return Member(name or "default", None, trouble=str(error))
    return host
