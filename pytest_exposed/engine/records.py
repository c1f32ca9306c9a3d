"""The engine's JSON, checked: what we read of containers and images. Formats: the Engine API's.

Every field can be missing, null or of another type: engines differ, and an engine can lie.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from pytest_exposed.errors import PortError
from pytest_exposed.model import Image, Publication, Service
from pytest_exposed.ports import HIGHEST, Port, Ports
from pytest_exposed.text import printable

Record = Mapping[str, Any]

# What is added to an engine's records of the tasks of Swarm services: see swarm.py.
INGRESS = "pytest-exposed.ingress"
"""Key of an entry of Ports that is the service's; true."""
UNTOLD = "pytest-exposed.untold"
"""Key of a container: why what its service publishes is unknown."""

_ID = re.compile(r"[0-9a-f]{64}")


class RecordError(ValueError):
    """A record without what every engine gives."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A container as `GET /containers/json` lists it."""

    id: str
    name: str
    image: str
    """The image as it was asked for, such as "httpd:2.4"; what it means may have changed since."""
    image_id: str
    state: str
    status: str
    """For people: "Up 3 minutes (healthy)"."""
    network_mode: str | None
    """None where the list doesn't tell (podman)."""
    declared: Ports
    published: tuple[Publication, ...]
    addresses: frozenset[str]
    labels: Mapping[str, str] = field(compare=False)
    untold: str | None = None
    """Why what its Swarm service publishes is unknown; None where it is known."""
    command: str = ""
    """All that it runs, in one line; empty where the list doesn't tell."""
    networks: frozenset[str] = frozenset()
    """The names of its networks."""

    @classmethod
    def from_record(cls, record: Record) -> Listed:
        """Return the container of one record of the list; RecordError where it is none."""
        identity = record.get("Id")
        if not isinstance(identity, str) or not _ID.fullmatch(identity):
            raise RecordError(f"it lists a container with the id {str(identity)[:80]!r}")
        declared, published = _ports(record.get("Ports"))
        mode = _dict(record.get("HostConfig")).get("NetworkMode")
        networks = _dict(record.get("NetworkSettings")).get("Networks")
        return cls(
            id=identity,
            name=_name(record.get("Names"), identity),
            image=_text(record.get("Image")) or identity[:12],
            image_id=_text(record.get("ImageID")),
            state=_text(record.get("State")).lower(),
            status=_text(record.get("Status")),
            network_mode=mode if isinstance(mode, str) and mode else None,
            declared=declared,
            published=published,
            addresses=_addresses(networks),
            labels=_labels(record.get("Labels")),
            untold=printable(_text(record.get(UNTOLD)), 1024) or None,  # an engine may send it, too
            command=_text(record.get("Command")),
            networks=frozenset(map(_text, _dict(networks))),
        )

    @property
    def service(self) -> Service | None:
        """The Swarm or Compose service that it is of, None where it is of none."""
        return Service.of(self.labels)

    @property
    def up_for(self) -> float:
        """How many seconds it has been up at least, by the engine's clock, as its status tells it.

        Source of the words: HumanDuration of docker/go-units. 0 where the words are others.
        """
        match = re.match(
            r"Up (?:About an?|([0-9]{1,9})) (second|minute|hour|day|week|month|year)", self.status
        )
        if match is None:
            return 0
        seconds = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
        unit = seconds.get(match[2], 604800)
        # "2 hours" begin at one and a half: from there on it rounds to the nearest hour.
        rounded = 1800 if match[1] and unit >= 3600 else 0
        return max(0, int(match[1] or 1) * unit - rounded)

    @property
    def starting(self) -> bool:
        """Whether its health check has not succeeded yet."""
        return "(health: starting)" in self.status


def _text(value: object) -> str:
    """Return a text without halves of characters, which JSON can hold and nothing can write."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else ""


def _dict(value: object) -> Record:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: object) -> int | None:
    return value if type(value) is int else None  # JSON's true is an int to Python


def _labels(value: object) -> dict[str, str]:
    return {_text(str(k)): _text(str(v)) for k, v in _dict(value).items()}


def _name(names: object, identity: str) -> str:
    """Return the container's own name: a linked one has others, such as "/web/db"."""
    own = [x[1:] for x in _list(names) if isinstance(x, str) and x.rfind("/") == 0 and len(x) > 1]
    return _text(own[0]) if own else identity[:12]


def _addresses(networks: object) -> frozenset[str]:
    found = [_text(_dict(x).get("IPAddress")) for x in _dict(networks).values()]
    return frozenset(x for x in found if x)


def _ports(entries: object) -> tuple[Ports, tuple[Publication, ...]]:
    """Return the declared ports and the publications of the list's `Ports`."""
    declared = set()
    published = set()
    for entry in map(_dict, _list(entries)):
        try:
            port = Port(entry.get("PrivatePort"), _text(entry.get("Type")) or "tcp")  # type: ignore[arg-type]  # checked by Port
        except PortError:
            continue
        ingress = entry.get(INGRESS) is True
        if not ingress:
            declared.add(port)
        public = _number(entry.get("PublicPort"))
        if public is not None and 1 <= public <= HIGHEST:
            address = printable(_text(entry.get("IP")), 64)
            published.add(Publication(port, address, public, ingress))
    return Ports(declared), tuple(sorted(published))


def publishes(network: Record) -> bool:
    """Return whether the list tells the ports of containers in a network, of `GET /networks`.

    It tells those that the network's driver took note of: that of bridges, unless they are internal
    (getEndpointPortMapInfo of moby's daemon).
    """
    return network.get("Driver") == "bridge" and network.get("Internal") is False


def image_from_record(record: Record, name: str) -> Image:
    """Return the image of an inspection, called name."""
    config = _dict(record.get("Config"))
    documented, invalid = Ports.from_exposed(map(str, _dict(config.get("ExposedPorts"))))
    return Image(
        id=_text(record.get("Id")),
        name=name,
        documented=documented,
        invalid=invalid,
        labels=_labels(config.get("Labels")),
        entrypoint=_words(config.get("Entrypoint")),
        command=_words(config.get("Cmd")),
    )


def _words(value: object) -> tuple[str, ...]:
    return tuple(_text(str(x)) for x in _list(value))


def tags(record: Record) -> list[str]:
    """Return the names that an image has: "httpd:2.4"."""
    return sorted(x for x in _list(record.get("RepoTags")) if isinstance(x, str))


def layers(image: Image, history: Sequence[Record]) -> Image:
    """Return the image with its layers' commands, and the images that these are the tops of."""
    parents = {}
    for place, layer in enumerate(history):
        tags = [x for x in _list(layer.get("Tags")) if isinstance(x, str)]
        if place and tags:
            parents[place] = min(tags)
    commands = tuple(_text(x.get("CreatedBy")) for x in history)
    return replace(image, history=commands, parents=parents)


@dataclass(frozen=True, slots=True)
class Inspected:
    """A container as `GET /containers/ID/json` tells it: what the list leaves out."""

    state: str
    exit_code: int | None
    error: str
    pid: int
    started: datetime | None
    restarts: int
    starting: bool
    network_mode: str
    runtime: str
    declared: Ports
    wished: tuple[str, ...]
    """Ports that -p asked for, whether or not they were bound."""
    sysctls: Mapping[str, str]
    command: tuple[str, ...]
    sandbox: str
    """The file on the engine's host that is its network namespace; empty where it has none."""
    addresses: frozenset[str] = frozenset()

    @classmethod
    def from_record(cls, record: Record) -> Inspected:
        """Return what an inspection tells; of a field that is missing, the emptiest value."""
        state = _dict(record.get("State"))
        settings = _dict(record.get("HostConfig"))
        config = _dict(record.get("Config"))
        declared, _ = Ports.from_exposed(map(str, _dict(config.get("ExposedPorts"))))
        network = _dict(record.get("NetworkSettings"))
        return cls(
            state=_state(state),
            exit_code=_number(state.get("ExitCode")),
            error=_text(state.get("Error")),
            pid=_number(state.get("Pid")) or 0,
            started=when(state.get("StartedAt")),
            restarts=_number(record.get("RestartCount")) or 0,
            starting=_dict(state.get("Health")).get("Status") == "starting",
            network_mode=_text(settings.get("NetworkMode")),
            runtime=_text(settings.get("Runtime")),
            declared=declared,
            wished=tuple(
                sorted(str(k) for k, v in _dict(settings.get("PortBindings")).items() if v)
            ),
            sysctls=_labels(settings.get("Sysctls")),
            command=_words([record.get("Path") or "", *_list(record.get("Args"))]),
            sandbox=_text(network.get("SandboxKey")),
            addresses=_addresses(network.get("Networks")),
        )


def _state(state: Record) -> str:
    """Return created, running, paused, restarting, exited or dead."""
    if state.get("Restarting") is True:
        return "restarting"
    if state.get("Paused") is True:
        return "paused"
    return _text(state.get("Status")).lower() or ("running" if state.get("Running") else "exited")


def when(value: object) -> datetime | None:
    """Return a time as the engine writes it, RFC 3339 with up to nine digits of a second."""
    match = re.fullmatch(
        r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", _text(value), re.ASCII
    )
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
        moment = moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None
    return moment.replace(microsecond=int((match[2] or ".")[1:7].ljust(6, "0")))
