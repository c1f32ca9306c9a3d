"""Podman: what only its own API says of containers, their pods and their health. Pure.

The docker-compatible list leaves out paused containers, names no pod and shows no health check
(ListContainers in pkg/api/handlers/compat/containers.go). libpod's list has all three
(ListContainer in pkg/domain/entities/types/container_ps.go). Where -p names no address, docker's
list has 0.0.0.0 since podman 5, as where -p names that; libpod's has none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pytest_exposed.engine.records import HOST_ADDRESSES, INFRA, POD
from pytest_exposed.engine.untyped import JsonObject, as_dict, as_list, as_text

_STATES = ["running", "paused"]
"""What docker's list has by default, in podman's words: it has no state "restarting"."""


def with_paused(filters: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Return filters with which podman lists what docker lists: paused containers too."""
    return {"status": _STATES, **filters}


def joined(containers: Sequence[JsonObject], own: Sequence[JsonObject] | None) -> list[JsonObject]:
    """Return podman's docker-compatible records of containers with their pods and their health.

    own are the records of libpod's list; None where a proxy refuses it. Then a status says nothing:
    whether a health check is starting has to be asked of each container.
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
    """Return whether podman calls the infra container of a pod so: HASH-infra."""
    return re.fullmatch(r"[0-9a-f]{12}-infra", name) is not None
