"""The nodes of a swarm as engines, each reached as its manager is. Format: the Engine API's."""

from __future__ import annotations

from contextlib import closing, suppress
from urllib.parse import urlsplit

from pytest_exposed.engine.api import Api
from pytest_exposed.engine.calls import timeout_of
from pytest_exposed.engine.hosts import Host, Member, resolve
from pytest_exposed.engine.json_fields import JsonObject, as_dict
from pytest_exposed.errors import ConfigurationError, EngineError
from pytest_exposed.text import printable
from pytest_exposed.values import dataclass

SCHEME = "swarm://"


def members(written: str) -> tuple[list[Member], list[str]]:
    """Return the ready nodes of swarm://MANAGER, and a line for each that is down or drained.

    If the manager can't be reached, or isn't one, it is the only member, with this error. Raises
    ConfigurationError if MANAGER is not a docker host.
    """
    manager = written.removeprefix(SCHEME) or None
    host = resolve(manager)
    try:
        nodes, own = _nodes(host)
    except EngineError as error:
        return [Member(host.label, manager, trouble=str(error))], []
    names = [x.name for x in nodes]
    found, lines = [], []
    for node in nodes:
        name = node.name if names.count(node.name) == 1 else f"{node.name}@{node.address}"
        if node.absent:
            lines.append(f"{printable(name)}, a node that is {printable(node.absent)}: not audited")
        elif node.id == own:
            found.append(Member(name, manager))
        else:
            found.append(_member(name, node.address, manager, host))
    return found, lines


@dataclass(frozen=True, slots=True)
class _Node:
    id: str
    name: str
    address: str
    absent: str
    """The state in which it runs no tasks, such as "drained"; empty if it is ready."""


def _nodes(host: Host) -> tuple[list[_Node], str]:
    """Return all nodes of a manager's swarm, and the manager's own id; raises EngineError."""
    with closing(Api(host, timeout_of())) as api:
        found = [_node(x) for x in api.nodes()]
        own = as_dict(api.info().get("Swarm")).get("NodeID")
    return sorted(found, key=lambda x: (x.name, x.id)), str(own)


def _node(record: JsonObject) -> _Node:
    status, manager = as_dict(record.get("Status")), as_dict(record.get("ManagerStatus"))
    address = str(status.get("Addr") or "")
    if address in ("", "0.0.0.0", "::"):  # noqa: S104  # a manager that listens on all addresses
        address = str(manager.get("Addr") or "").rpartition(":")[0].strip("[]")
    state = str(status.get("State") or "unknown")
    drained = as_dict(record.get("Spec")).get("Availability") == "drain"
    return _Node(
        id=str(record.get("ID")),
        name=str(as_dict(record.get("Description")).get("Hostname") or record.get("ID")),
        address=address,
        absent=state if state != "ready" else "drained" if drained else "",
    )


def _member(name: str, address: str, manager: str | None, host: Host) -> Member:
    """Return the engine of another node: its address with the manager's scheme, user and port."""
    parts = urlsplit(host.url)
    user, at, _ = parts.netloc.rpartition("@")
    port = f":{parts.port}" if parts.port else ""
    there = f"[{address}]" if ":" in address else address
    member = Member(name, f"{parts.scheme}://{user}{at}{there}{port}", manager=manager)
    if address and parts.scheme in ("tcp", "http", "https", "ssh"):
        with suppress(ConfigurationError):
            resolve(member)
            return member
    return Member(
        name,
        manager,
        trouble=f"{printable(name)}, a node at {printable(address)}, can't be reached through "
        f"{host.shown}: give its manager's address as ssh:// or tcp://",
    )
