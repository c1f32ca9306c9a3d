"""Containers as records of JSON's own types, for reports and between processes.

Their fields are those of the JSON report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import ObservationError
from pytest_exposed.model import Container, Finding, Image, Listener, Publication
from pytest_exposed.model.ports import Port, Ports
from pytest_exposed.observation.judge import HIDDEN
from pytest_exposed.rules.judge import discovery_ports

if TYPE_CHECKING:
    from typing_extensions import NotRequired  # typing's came with Python 3.11

    from pytest_exposed.report.dockerfile import Dockerfile


class PublicationRecord(TypedDict):
    """A publication; host_port is null for a port that is open to routed traffic."""

    port: str
    host_ip: str
    host_port: int | None


class ListenerRecord(TypedDict):
    """A listener, with the first process that holds it."""

    port: str
    address: str
    kind: str
    process: str | None
    pid: int | None
    program: NotRequired[str]
    dynamic: NotRequired[bool]
    multicast: NotRequired[bool]
    """Whether it is there for multicast discovery, and its image does not document it."""
    seen: NotRequired[str]
    """When a watch saw it, if it was not always there."""


class FindingRecord(TypedDict):
    """A finding; port is null for one about the container, ports is present if it has several."""

    rule: str
    port: str | None
    message: str
    fix: str
    waived: str | None
    warning: NotRequired[bool]
    ports: NotRequired[list[str]]
    file: NotRequired[str]
    """The Dockerfile, if known."""
    line: NotRequired[int]
    """The line of the Dockerfile at which to fix the finding."""


class ContainerRecord(TypedDict):
    """A container; unknown fields are null, and error says why."""

    id: str
    name: str
    service: str | None
    service_id: str | None
    pod: NotRequired[str]
    image: str
    image_id: str
    network_mode: str | None
    source: str | None
    documented: list[str] | None
    documented_by_image: NotRequired[list[str]]
    """Its image's ports, if the ports that the container declares count as documented, too."""
    declared: list[str]
    listening: list[str] | None
    published: list[PublicationRecord]
    listeners: list[ListenerRecord] | None
    findings: list[FindingRecord] | None
    error: str | None
    notes: NotRequired[list[str]]
    """What was lacking to judge it by, or is odd about it; missing where nothing is."""
    started_by_run: NotRequired[bool]
    """True if the run started it; missing otherwise."""


class StoppedRecord(TypedDict):
    """A container that doesn't run; exit_code is null if it never ran."""

    id: str
    name: str
    image: str
    state: str
    exit_code: int | None


class HostRecord(TypedDict):
    """A host with its containers, or the error why it was not reached."""

    host: str
    error: str | None
    containers: list[ContainerRecord]
    not_running: NotRequired[list[StoppedRecord]]
    """Containers that were not audited because they don't run."""


def of_container(container: Container, dockerfile: Dockerfile | None = None) -> ContainerRecord:
    """Return the record of an observed container, with ports sorted by number and protocol.

    With its image's Dockerfile, each finding has the line at which to fix it.
    """
    verdict = container.verdict
    unknown = isinstance(verdict, ObservationError)
    service = container.service
    discovery = discovery_ports(container)
    return {
        "id": container.id,
        "name": container.name,
        "service": service.name if service else None,
        "service_id": service.id if service else None,
        **_pod(container.pod),
        "image": container.image.name,
        "image_id": container.image.id,
        "network_mode": container.network_mode,
        "source": container.source,
        "documented": [str(x) for x in container.documented],
        **_by_image(container),
        "declared": [str(x) for x in container.declared],
        "listening": [str(x) for x in container.listening],
        "published": [_publication(x) for x in container.published],
        "listeners": [_listener(x, discovery) for x in container.listeners],
        "findings": None
        if unknown
        else [_finding(x, dockerfile, container.image) for x in container.findings],
        "error": str(verdict) if unknown else None,
        **_notes(container),
    }


def of_unstarted(image: str, error: str) -> ContainerRecord:
    """Return the record of a container that the run could not start."""
    return {
        "id": "",
        "name": image,
        "service": None,
        "service_id": None,
        "image": image,
        "image_id": "",
        "network_mode": "",
        "source": None,
        "documented": None,
        "declared": [],
        "listening": None,
        "published": [],
        "listeners": None,
        "findings": None,
        "error": error,
        "started_by_run": True,
    }


def of_unseen(listed: Listed, error: str) -> ContainerRecord:
    """Return the record of a container that could not be observed; unknown fields are null."""
    service = listed.service
    return {
        "id": listed.id,
        "name": listed.name,
        "service": service.name if service else None,
        "service_id": service.id if service else None,
        **_pod(listed.pod),
        "image": listed.image,
        "image_id": listed.image_id,
        "network_mode": listed.network_mode,
        "source": None,
        "documented": None,
        "declared": [str(x) for x in listed.declared],
        "listening": None,
        "published": [_publication(x) for x in listed.published],
        "listeners": None,
        "findings": None,
        "error": error,
    }


def of_stopped(listed: Listed) -> StoppedRecord:
    """Return the record of a container that doesn't run."""
    return {
        "id": listed.id,
        "name": listed.name,
        "image": listed.image,
        "state": listed.state,
        "exit_code": listed.exit_code,
    }


class _Rarely(TypedDict, total=False):
    pod: str
    documented_by_image: list[str]
    notes: list[str]
    started_by_run: bool


def _pod(pod: str | None) -> _Rarely:
    """Return the field of a container's pod; nothing without one."""
    return {"pod": pod} if pod is not None else {}


def _by_image(container: Container) -> _Rarely:
    if container.documented_at_run is None:
        return {}
    return {"documented_by_image": [str(x) for x in container.image.documented]}


def _notes(container: Container) -> _Rarely:
    shown = [x for x in container.notes if x != HIDDEN]
    return {"notes": shown} if shown else {}


def _publication(publication: Publication) -> PublicationRecord:
    return {
        "port": str(publication.port),
        "host_ip": publication.host_ip,
        "host_port": publication.host_port or None,
    }


def _listener(listener: Listener, discovery: Ports) -> ListenerRecord:
    record: ListenerRecord = {
        "port": str(listener.port),
        "address": listener.address,
        "kind": listener.kind,
        "process": listener.process,
        "pid": listener.pid,
    }
    if listener.program:
        record["program"] = listener.program
    if listener.dynamic:
        record["dynamic"] = True
    if listener.kind == "reachable" and listener.port in discovery:
        record["multicast"] = True
    if listener.seen:
        record["seen"] = listener.seen
    return record


def _finding(finding: Finding, dockerfile: Dockerfile | None, image: Image) -> FindingRecord:
    record: FindingRecord = {
        "rule": finding.rule,
        "port": str(finding.port) if finding.port else None,
        "message": finding.message,
        "fix": finding.fix,
        "waived": finding.waived,
    }
    if finding.warning:
        record["warning"] = True
    if finding.more_ports:
        record["ports"] = [str(x) for x in finding.ports]
    if dockerfile is not None:
        record["file"] = dockerfile.path
        command = (*image.entrypoint, *image.command)
        line = dockerfile.line_of(finding.port, image.documented, command, image.history)
        record["line"] = line
    return record


def ports_of(finding: FindingRecord) -> list[Port]:
    """Return all ports of a finding's record."""
    port = finding["port"]
    return [Port.parse(x) for x in finding.get("ports", [port] if port is not None else [])]


def fails(finding: FindingRecord) -> bool:
    """Return whether it makes its container fail."""
    return finding["waived"] is None and not finding.get("warning", False)


def warns(finding: FindingRecord) -> bool:
    """Return whether it is a warning and not waived."""
    return finding["waived"] is None and not fails(finding)


def is_accepted(container: ContainerRecord) -> bool:
    """Return whether all of a container's failing findings are accepted."""
    found = container["findings"] or ()
    return any(x["waived"] is not None for x in found) and not any(map(fails, found))


NOT_RUN = "its test did not finish"
"""The error of a container if its test never began or was interrupted."""
