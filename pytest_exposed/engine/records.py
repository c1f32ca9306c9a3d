"""A container as the engine's list has it, checked. Format: the Engine API's.

Every field can be missing, null or of another type: engines differ, and an engine can lie.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import field

from pytest_exposed.engine.forwarding import Endpoint, endpoints_of, telling_addresses
from pytest_exposed.engine.json_fields import (
    JsonObject,
    as_dict,
    as_labels,
    as_list,
    as_number,
    as_text,
    as_texts,
)
from pytest_exposed.errors import PortError
from pytest_exposed.model import Publication, Service
from pytest_exposed.model.ports import HIGHEST, Port, Ports
from pytest_exposed.text import printable
from pytest_exposed.values import dataclass

# What is added to an engine's records of the tasks of Swarm services: see swarm.py.
INGRESS = "pytest-exposed.ingress"
"""Key of an entry of Ports that is the service's; true."""
PUBLICATIONS_UNKNOWN = "pytest-exposed.publications-unknown"
"""Key of a container: why what its service publishes is unknown."""

# What is added to podman's records: see podman.py.
HOST_ADDRESSES = "pytest-exposed.host-addresses"
"""Key of a container: the addresses of the host that its -p name, empty where one names none."""
POD = "pytest-exposed.pod"
"""Key of a container: the name of its pod."""
INFRA = "pytest-exposed.infra"
"""Key of a container: the id of its pod's infra container, which holds the pod's network."""

_ID = re.compile(r"[0-9a-f]{64}")


class RecordError(ValueError):
    """A record lacks what every engine gives."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A container as `GET /containers/json` lists it."""

    id: str
    name: str
    image: str
    """The image as it was named, such as "httpd:2.4"; the name may mean another image by now."""
    image_id: str
    state: str
    status: str
    """For people: "Up 3 minutes (healthy)"."""
    network_mode: str | None
    """None where the list lacks it (podman)."""
    declared: Ports
    published: tuple[Publication, ...]
    endpoints: tuple[Endpoint, ...]
    """Its addresses in each of its networks."""
    labels: Mapping[str, str] = field(compare=False)
    publications_unknown: str | None = None
    """Why what its Swarm service publishes is unknown; None where it is known."""
    command: str = ""
    """All that it runs, in one line; empty where the list lacks it."""
    networks: frozenset[str] = frozenset()
    """The names of its networks."""
    has_image: bool = True
    """Whether it has an image: podman's infra containers and those of --rootfs have none."""
    manifest: str = ""
    """The digest of its image's manifest; empty where the list lacks it."""
    platform: str = ""
    """The platform of that manifest, as queries of images take it."""
    host_addresses: frozenset[str] | None = None
    """The host's addresses that its -p name, empty for any (podman); None where unknown."""
    pod: str | None = None
    """The name of its pod (podman), None where it is in none."""
    infra: str = ""
    """The id of its pod's infra container, which podman made to hold the pod's network."""
    own_name: str = ""
    """Its name on the engine: name is the pod's for an infra container."""

    @classmethod
    def from_record(cls, record: JsonObject) -> Listed:
        """Return the container of one record of the list; RecordError where it is none."""
        identity = record.get("Id")
        if not isinstance(identity, str) or not _ID.fullmatch(identity):
            raise RecordError(f"it lists a container with the id {str(identity)[:80]!r}")
        declared, published = _ports(record.get("Ports"))
        mode = as_dict(record.get("HostConfig")).get("NetworkMode")
        networks = as_dict(record.get("NetworkSettings")).get("Networks")
        name = _name(record.get("Names"), identity)
        pod = as_text(record.get(POD)) or None
        infra = as_text(record.get(INFRA))
        manifest = as_dict(record.get("ImageManifestDescriptor"))
        return cls(
            id=identity,
            name=pod if pod is not None and infra == identity else name,
            image=as_text(record.get("Image")) or identity[:12],
            image_id=as_text(record.get("ImageID")),
            state=as_text(record.get("State")).lower(),
            status=as_text(record.get("Status")),
            network_mode=mode if isinstance(mode, str) and mode else None,
            declared=declared,
            published=published,
            endpoints=endpoints_of(networks),
            labels=as_labels(record.get("Labels")),
            publications_unknown=printable(as_text(record.get(PUBLICATIONS_UNKNOWN)), 1024)
            or None,  # an engine may send it, too
            command=as_text(record.get("Command")),
            networks=frozenset(map(as_text, as_dict(networks))),
            has_image=_has_image(record),
            manifest=as_text(manifest.get("digest")),
            platform=_platform(manifest.get("platform")),
            host_addresses=_host_addresses(record),
            pod=pod,
            infra=infra,
            own_name=name,
        )

    @property
    def addresses(self) -> frozenset[str]:
        """Its IPv4 addresses in its networks, or its IPv6 addresses where it has none of these."""
        return telling_addresses(self.endpoints)

    @property
    def exit_code(self) -> int | None:
        """How it ended, by its status: "Exited (137) 5 minutes ago"; None where not."""
        match = re.match(r"Exited \(([0-9]{1,9})\)", self.status)
        return int(match[1]) if match else None

    @property
    def is_infra(self) -> bool:
        return self.pod is not None and self.infra == self.id

    @property
    def is_users(self) -> bool:
        """Whether it is judged: an infra container only for what its pod publishes."""
        return not self.is_infra or bool(self.published)

    @property
    def pod_network(self) -> str | None:
        """The name of the pod in whose network it is; None where it is in none."""
        joined = self.is_infra or (self.network_mode == f"container:{self.infra}")
        return self.pod if joined else None

    @property
    def service(self) -> Service | None:
        """The Swarm or Compose service that it is of, None where it is of none."""
        return Service.of(self.labels, self.name, self.image_id)

    @property
    def up_for(self) -> float:
        """How many seconds it has been up at least, by the engine's clock and its status.

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
    def just_started(self) -> bool:
        """Whether it has been up for less than a minute, in the words of HumanDuration."""
        return bool(re.match(r"Up (Less than a second|[0-9]{1,2} seconds?)\b", self.status))

    @property
    def starting(self) -> bool:
        """Whether its health check has not succeeded yet."""
        return "(health: starting)" in self.status


def _name(names: object, identity: str) -> str:
    """Return the container's own name: a linked one has others, such as "/web/db"."""
    own = [x[1:] for x in as_list(names) if isinstance(x, str) and x.rfind("/") == 0 and len(x) > 1]
    return as_text(own[0]) if own else identity[:12]


def _has_image(record: JsonObject) -> bool:
    """Return whether a container has an image; podman lists none as "", null or "sha256:"."""
    if "Image" not in record or "ImageID" not in record:
        return True  # nothing says that it has none
    return record["Image"] not in ("", None) or record["ImageID"] not in ("", None, "sha256:")


def _platform(platform: object) -> str:
    """Return a platform as the engine's queries take it; empty where it is none.

    Format: Platform of the OCI image index, as JSON.
    """
    known = ("os", "architecture", "variant", "os.version")
    found = {x: y for x in known if (y := as_dict(platform).get(x)) and isinstance(y, str)}
    return json.dumps(found) if "os" in found and "architecture" in found else ""


def _host_addresses(record: JsonObject) -> frozenset[str] | None:
    found = record.get(HOST_ADDRESSES)
    return frozenset(as_texts(found)) if isinstance(found, list) else None


def _ports(entries: object) -> tuple[Ports, tuple[Publication, ...]]:
    """Return the declared ports and the publications of the list's `Ports`.

    Docker's gateway mode "routed" publishes an address of the host without a port. Raises
    RecordError for what no engine sends.
    """
    entries = entries or []
    if not isinstance(entries, list):
        raise RecordError("a container's Ports are no list")
    declared = set()
    published = set()
    for entry in map(as_dict, entries):
        try:
            port = Port(entry.get("PrivatePort"), as_text(entry.get("Type")) or "tcp")  # type: ignore[arg-type]  # checked by Port
        except PortError:
            continue
        ingress = entry.get(INGRESS) is True
        if not ingress:
            declared.add(port)
        public = as_number(entry.get("PublicPort") or 0)
        if public is None:
            raise RecordError(
                f"a container's PublicPort is {printable(repr(entry['PublicPort']), 40)}"
            )
        address = printable(as_text(entry.get("IP")), 64)
        is_routed = public == 0 and bool(address) and not ingress
        if 1 <= public <= HIGHEST or is_routed:
            published.add(Publication(port, address, public, ingress))
    return Ports(declared), tuple(sorted(published))


def publishes(network: JsonObject) -> bool:
    """Return whether the list has the ports of containers in a network, of `GET /networks`.

    It has those that the network's driver took note of: that of bridges, unless they are internal
    (getEndpointPortMapInfo of moby's daemon).
    """
    return network.get("Driver") == "bridge" and network.get("Internal") is False
