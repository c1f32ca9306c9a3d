"""Podman: pods, health checks and paused containers, from libpod's own list. Pure.

The docker-compatible list has none of the three (ListContainers in
pkg/api/handlers/compat/containers.go); libpod's list has them (ListContainer in
pkg/domain/entities/types/container_ps.go). Since podman 5 the compatible list shows 0.0.0.0 for a
-p without an address, the same as for one with 0.0.0.0; libpod's shows no address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pytest_exposed.engine.json_fields import JsonObject, as_dict, as_list, as_text
from pytest_exposed.engine.records import HOST_ADDRESSES, INFRA, POD

_STATES = ["running", "paused"]
"""The states in docker's default list, in podman's words, which lack "restarting"."""


def with_paused(filters: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Return filters that make podman list paused containers too, as docker does."""
    return {"status": _STATES, **filters}


def joined(containers: Sequence[JsonObject], own: Sequence[JsonObject] | None) -> list[JsonObject]:
    """Return podman's docker-compatible records of containers with their pods and health.

    own are the records of libpod's list; None if a proxy refuses it. Then the status is not
    trusted: whether a health check is starting must be asked for each container.
    """
    if own is None:
        return [{**x, "Status": ""} for x in containers]
    known = {as_text(x.get("Id")): x for x in own}
    infra = {as_text(x.get("Pod")): as_text(x.get("Id")) for x in own if x.get("IsInfra") is True}
    return [_with(x, known.get(as_text(x.get("Id")), {}), infra) for x in containers]


def _with(container: JsonObject, own: JsonObject, infra: Mapping[str, str]) -> JsonObject:
    found = {**container}
    if own:
        ports = map(as_dict, as_list(own.get("Ports")))
        found[HOST_ADDRESSES] = sorted({as_text(x.get("host_ip")) for x in ports})
    if pod := as_text(own.get("Pod")):
        found |= {POD: as_text(own.get("PodName")), INFRA: infra.get(pod)}
    if own.get("Status") == "starting":  # of the health check
        found["Status"] = f"{as_text(container.get('Status'))} (health: starting)"
    return found


def is_infra_name(name: str) -> bool:
    """Return whether this is podman's name for an infra container of a pod: HASH-infra."""
    return re.fullmatch(r"[0-9a-f]{12}-infra", name) is not None
