"""A container as an inspection has it, checked: what the engine's list leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from pytest_exposed.engine.forwarding import Endpoint, endpoints_of, telling_addresses
from pytest_exposed.engine.json_fields import (
    JsonObject,
    as_dict,
    as_labels,
    as_list,
    as_number,
    as_text,
    as_texts,
    as_words,
    when,
)
from pytest_exposed.errors import PortError
from pytest_exposed.model import Publication
from pytest_exposed.model.ports import HIGHEST, Port, Ports
from pytest_exposed.text import printable
from pytest_exposed.values import dataclass

_ROUTING = {"NET_ADMIN", "CAP_NET_ADMIN", "ALL", "CAP_ALL"}
"""Capabilities that allow a process to change routes (capabilities(7)), in all spellings."""


_CHECK_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Inspected:
    """A container as `GET /containers/ID/json` has it: what the list leaves out."""

    state: str
    exit_code: int | None
    error: str
    pid: int
    started: datetime | None
    restarts: int
    starting: bool
    last_check: str
    """What its health check answered last: "exit code 1: not ready"; empty without an answer."""
    network_mode: str
    runtime: str
    declared: Ports
    requested_ports: tuple[str, ...]
    """Ports that -p asked for, whether or not they were bound."""
    bindings: Mapping[str, tuple[tuple[str, int], ...]]
    """The host's addresses and ports of each such port: empty and 0 for any."""
    bound: Mapping[str, tuple[tuple[str, int], ...]]
    """The same of each port that is bound, for it or for the container whose network it joined."""
    sysctls: Mapping[str, str]
    command: tuple[str, ...]
    sandbox: str
    """The file on the engine's host that is its network namespace; empty where it has none."""
    endpoints: tuple[Endpoint, ...] = ()
    """As of Listed."""
    may_route: bool = False
    """Whether it may change the routes of its network."""

    @property
    def addresses(self) -> frozenset[str]:
        """Its IPv4 addresses in its networks, or its IPv6 addresses where it has none of these."""
        return telling_addresses(self.endpoints)

    @property
    def published(self) -> tuple[Publication, ...]:
        """What it publishes, or the container whose network it joined: podman's list lacks some."""
        found = set()
        for text, bound in self.bound.items():
            number, _, protocol = text.partition("/")
            with suppress(PortError):
                port = Port(_number(number), protocol)
                found |= {
                    Publication(port, printable(address, 64), x)
                    for address, x in bound
                    if 1 <= x <= HIGHEST
                }
        return tuple(sorted(found))

    @classmethod
    def from_record(cls, record: JsonObject) -> Inspected:
        """Return what an inspection says; a missing field has its emptiest value."""
        state = as_dict(record.get("State"))
        settings = as_dict(record.get("HostConfig"))
        config = as_dict(record.get("Config"))
        declared, _ = Ports.from_exposed(map(str, as_dict(config.get("ExposedPorts"))))
        network = as_dict(record.get("NetworkSettings"))
        bindings = as_dict(settings.get("PortBindings"))
        return cls(
            state=_state(state),
            exit_code=as_number(state.get("ExitCode")),
            error=as_text(state.get("Error")),
            pid=as_number(state.get("Pid")) or 0,
            started=when(state.get("StartedAt")),
            restarts=as_number(record.get("RestartCount")) or 0,
            starting=as_dict(state.get("Health")).get("Status") == "starting",
            last_check=_last_check(as_list(as_dict(state.get("Health")).get("Log"))),
            network_mode=as_text(settings.get("NetworkMode")),
            runtime=as_text(settings.get("Runtime")),
            declared=declared,
            requested_ports=tuple(sorted(str(k) for k, v in bindings.items() if v)),
            bindings={str(k): _bindings(v) for k, v in bindings.items()},
            bound={str(k): _bindings(v) for k, v in as_dict(network.get("Ports")).items()},
            sysctls=as_labels(settings.get("Sysctls")),
            command=as_words([record.get("Path") or "", *as_list(record.get("Args"))]),
            sandbox=as_text(network.get("SandboxKey")),
            endpoints=endpoints_of(network.get("Networks")),
            may_route=settings.get("Privileged") is True
            or not _ROUTING.isdisjoint(x.upper() for x in as_texts(settings.get("CapAdd"))),
        )


def _last_check(log: list[object]) -> str:
    """Return the exit code and the last line of the last entry of a health check's log."""
    entry = as_dict(log[-1]) if log else {}
    code = as_number(entry.get("ExitCode"))
    lines = as_text(entry.get("Output"))[-_CHECK_BYTES:].split("\n")
    said = next((f": {printable(x.strip())}" for x in reversed(lines) if x.strip()), "")
    return "" if code is None else f"exit code {code}{said}"


def _bindings(entries: object) -> tuple[tuple[str, int], ...]:
    """Return the address and port of each -p; a range, of which any will do, is port 0."""
    every = map(as_dict, as_list(entries))
    return tuple((as_text(x.get("HostIp")), _number(as_text(x.get("HostPort")))) for x in every)


def _number(text: str) -> int:
    """Return the number of a port; 0 for a range, and for what is none."""
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 6 else 0


def _state(state: JsonObject) -> str:
    """Return created, running, paused, restarting, exited or dead."""
    if state.get("Restarting") is True:
        return "restarting"
    if state.get("Paused") is True:
        return "paused"
    return as_text(state.get("Status")).lower() or ("running" if state.get("Running") else "exited")
