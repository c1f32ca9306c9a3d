"""Where an engine is: from what people write, the environment and docker contexts to an address."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pytest_exposed.errors import ConfigurationError
from pytest_exposed.text import printable

SCHEMES = ("unix", "tcp", "ssh", "npipe", "http", "https", "http+unix")


@dataclass(frozen=True, slots=True)
class Host:
    """An engine's address. Its texts hold no user and no password, and are safe to show."""

    url: str = field(repr=False)
    """What the SDK is given; empty for the platform's own socket."""
    shown: str
    """The address without its user info."""
    label: str
    """Short, for test ids: a host's name, a context's name, or the address of a socket."""
    tls: Any = field(default=None, repr=False, compare=False)
    """The TLS configuration of a context; None for that of the environment."""


def resolve(host: str | None, environment: Mapping[str, str] = os.environ) -> Host:
    """Return the engine that host names, or the default one in the docker CLI's order.

    That order is DOCKER_HOST, DOCKER_CONTEXT, the current context, the platform's socket. A host
    without "://" is the name of a context. Raises ConfigurationError for one that can't be one.
    """
    if host is None:
        host = environment.get("DOCKER_HOST") or None
    if host == "":
        raise ConfigurationError("an empty text is not a docker host")
    if host is None:
        return _context(environment.get("DOCKER_CONTEXT") or None)
    if "://" not in host:
        return _context(host)
    return _address(host)


def _address(url: str) -> Host:
    scheme, _, rest = url.partition("://")
    if scheme not in SCHEMES or not rest or not url.isprintable() or " " in url:
        known = ", ".join(f"{x}://" for x in SCHEMES[:-1])
        raise ConfigurationError(
            f"{_without_user(url)!r} is not a docker host: it begins with one of {known}, "
            "or is the name of a docker context"
        )
    if scheme in ("unix", "http+unix", "npipe"):
        if not rest.startswith(("/", ".")):
            raise ConfigurationError(f"{url!r} is not a docker host: a socket's path is absolute")
        return Host(url, url, url)
    try:
        parts = urlsplit(url)
        name, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(f"{_without_user(url)!r} is not a docker host: {error}") from None
    if not name:
        raise ConfigurationError(f"{_without_user(url)!r} is not a docker host: it names no host")
    return Host(url, _without_user(url), name)


def _without_user(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return printable(scheme + separator + authority.rpartition("@")[2] + slash + path)


def _context(name: str | None) -> Host:
    """Return the engine of a docker context; for None the current one, or the platform's socket."""
    from docker.context import ContextAPI  # noqa: PLC0415  # the SDK is slow to import

    try:
        context = ContextAPI.get_context(name)
    except Exception as error:  # noqa: BLE001  # the SDK raises bare ones for files it can't read
        raise ConfigurationError(
            f"the docker context {name or 'in use'!r} can't be read: {printable(str(error))}"
        ) from None
    if context is None:
        raise ConfigurationError(
            f"there is no docker context {name!r}: `docker context ls` shows those there are; "
            "an address has a scheme, such as unix://, tcp:// or ssh://"
            if name
            else "the current docker context does not exist: `docker context ls` shows those there "
            "are, `docker context use NAME` chooses one"
        )
    url = context.Host or ""
    if context.name == "default":
        shown = url.replace("http+unix://", "unix://") or "the default docker socket"
        return Host(url, shown, shown, context.TLSConfig)
    found = _address(url)
    return Host(url, found.shown, str(context.name), context.TLSConfig)
