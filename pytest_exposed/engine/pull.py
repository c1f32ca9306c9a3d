"""The pull of an image, with the credentials that the docker command has for its registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_exposed.engine import docker_config

if TYPE_CHECKING:
    from pytest_exposed.engine.api import Api

PULL_SECONDS = 600.0
"""Seconds for a pull; the engine reports progress meanwhile."""


def pull(api: Api, image: str) -> None:
    """Let the engine pull an image; raises EngineError, but not for a pull that fails halfway."""
    repository, at, reference = image.partition("@")
    if not at:
        head, colon, reference = image.rpartition(":")
        # A colon before a "/" begins a registry's port.
        repository = head if colon and "/" not in reference else image
        reference = reference if repository != image else "latest"
    api.ask(
        "POST",
        "/images/create",
        params={"fromImage": repository, "tag": reference},
        headers=_credentials(repository),
        seconds=max(PULL_SECONDS, api.client.timeout),
        wait=api.client.timeout,
    )


def _credentials(repository: str) -> dict[str, str]:
    """Return the header with a registry's credentials; empty if none can be read.

    The docker SDK runs the programs that store them (docker-credential-helpers).
    """
    config = docker_config.configuration()
    if not docker_config.field(config, "auths", dict) and "cred" not in str(config.keys()).lower():
        return {}
    from docker import auth  # noqa: PLC0415  # slow to import

    try:
        registry, _ = auth.resolve_repository_name(repository)
        found = auth.AuthConfig(
            {
                **{x: config[x] for x in ("credsStore", "credHelpers") if x in config},
                "auths": _entries(docker_config.field(config, "auths", dict) or {}),
            }
        ).resolve_authconfig(registry)
    except Exception:  # noqa: BLE001  # a program is missing or fails: pull without credentials
        return {}
    return {"X-Registry-Auth": auth.encode_header(found).decode()} if found else {}


def _entries(auths: dict[str, Any]) -> dict[str, Any]:
    """Return the credentials of each registry with a readable entry."""
    from docker import auth  # noqa: PLC0415

    found = {}
    for registry, entry in auths.items():
        if isinstance(entry, dict) and entry.get("username") and not entry.get("auth"):
            names = ("username", "password", "identitytoken")
            found[registry] = {x: entry[x] for x in names if x in entry}
            found[registry]["serveraddress"] = registry
            continue
        try:
            found |= auth.parse_auth({registry: entry})
        except Exception:  # noqa: BLE001, S112  # a bad entry spoils no other
            continue
    return found
