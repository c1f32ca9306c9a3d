"""Containers as records of JSON's own types: for reports, and to go between processes."""

from __future__ import annotations

from typing import Any

from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import ObservationError
from pytest_exposed.model import Container, Finding, Publication, Service
from pytest_exposed.model.ports import Port
from pytest_exposed.report.dockerfile import Dockerfile

Record = dict[str, Any]


def of_container(container: Container, dockerfile: Dockerfile | None = None) -> Record:
    """Return the record of a container that was seen; its ports sorted by number and protocol.

    With the Dockerfile of its image, each finding has the line at which it is mended.
    """
    verdict = container.verdict
    return {
        "id": container.id,
        "name": container.name,
        **_service(container.service),
        **_pod(container.pod),
        "image": container.image.name,
        "image_id": container.image.id,
        "network_mode": container.network_mode,
        "source": container.source,
        "documented": [str(x) for x in container.documented],
        "declared": [str(x) for x in container.declared],
        "listening": [str(x) for x in container.listening],
        "published": [_publication(x) for x in container.published],
        "listeners": [
            {
                "port": str(x.port),
                "address": x.address,
                "kind": x.kind,
                "process": x.process,
                "pid": x.pid,
                **({"program": x.program} if x.program else {}),
                **({"dynamic": True} if x.dynamic else {}),
                **({"seen": x.seen} if x.seen else {}),
            }
            for x in container.listeners
        ],
        "findings": None
        if isinstance(verdict, ObservationError)
        else [_finding(x, dockerfile) for x in verdict],
        "error": str(verdict) if isinstance(verdict, ObservationError) else None,
    }


def _service(service: Service | None) -> Record:
    return {
        "service": service.name if service else None,
        "service_id": service.id if service else None,
    }


def _pod(pod: str | None) -> Record:
    """Return the pod that a container is in; nothing for the engines and containers without."""
    return {"pod": pod} if pod is not None else {}


def _publication(publication: Publication) -> Record:
    return {
        "port": str(publication.port),
        "host_ip": publication.host_ip,
        "host_port": publication.host_port or None,
    }


def _finding(finding: Finding, dockerfile: Dockerfile | None) -> Record:
    return {
        "rule": finding.rule,
        "port": str(finding.port) if finding.port else None,
        "message": finding.message,
        "fix": finding.fix,
        "waived": finding.waived,
        **({"warning": True} if finding.warning else {}),
        **({"ports": [str(x) for x in finding.ports]} if finding.more_ports else {}),
        **(
            {"file": dockerfile.path, "line": dockerfile.line_of(finding.port)}
            if dockerfile
            else {}
        ),
    }


def ports_of(finding: Record) -> list[Port]:
    """Return all ports of a finding's record: the one, or those of "ports" where it has several."""
    port = finding["port"]
    return [Port.parse(x) for x in finding.get("ports", [port] if port is not None else [])]


def fails(finding: Record) -> bool:
    """Return whether its container does not match for it."""
    return finding["waived"] is None and not finding.get("warning", False)


def warns(finding: Record) -> bool:
    """Return whether it is a warning, and not waived."""
    return finding["waived"] is None and not fails(finding)


NOT_RUN = "its test did not run to its end"
"""The error of a container whose test did not come to its turn, or was interrupted."""


def of_unstarted(image: str, error: str) -> Record:
    """Return the record of a container that the run was to start, and that never was there."""
    unknown = ("source", "documented", "listening", "listeners", "findings")
    return {
        "id": "",
        "name": image,
        **_service(None),
        "image": image,
        "image_id": "",
        "network_mode": "",
        **dict.fromkeys(unknown),
        "declared": [],
        "published": [],
        "error": error,
        **STARTED,
    }


STARTED: Record = {"started_by_run": True}
"""What the record of a container has that the run has started; others lack it."""


def of_unseen(listed: Listed, error: str) -> Record:
    """Return the record of a container that could not be seen: what is unknown is null."""
    return {
        "id": listed.id,
        "name": listed.name,
        **_service(listed.service),
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
