"""Where an engine is: from what people write, the environment and docker contexts to an address."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from ipaddress import IPv6Address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from pytest_exposed.errors import ConfigurationError
from pytest_exposed.text import printable

SCHEMES = ("unix", "tcp", "ssh", "npipe", "http", "https", "http+unix")
DEFAULT_SOCKET = "unix:///var/run/docker.sock"


@dataclass(frozen=True, slots=True)
class Host:
    """An engine's address. Only what its repr has is safe to show."""

    url: str = field(repr=False)
    """What the SDK is given, with its user info; empty for the platform's own socket."""
    shown: str
    """The address without its user info."""
    label: str
    """Short, for test ids: a host's name, a context's name, or the address of a socket."""
    tls: Any = field(default=None, repr=False, compare=False)
    """The TLS configuration of a context; None for that of the environment."""
    ssh: tuple[str, ...] = field(default=(), repr=False)
    """Options and destination of the ssh program, where that is to reach it."""
    docker_host: str = ""
    """The engine's address as the host at the other end of ssh sees it; empty for its own."""
    program: str = "ssh"
    """The ssh program."""
    hint: str = field(default="", compare=False)
    """What to add where ssh does not get there."""
    manager: Host | None = field(default=None, repr=False)
    """The manager of its swarm, who tells its services; None where it is to be asked itself."""
    trouble: str | None = None
    """Why it can't be reached, where that is known already."""


@dataclass(frozen=True, slots=True)
class Member:
    """An engine of another tool's list: what it is called there, and how it is reached."""

    name: str
    address: str | None = field(repr=False)
    """As resolve takes it."""
    ssh: tuple[str, ...] = field(default=(), repr=False)
    """As of Host."""
    docker_host: str = ""
    """As of Host, and those that follow."""
    program: str = "ssh"
    hint: str = field(default="", compare=False)
    manager: str | None = field(default=None, repr=False)
    """The manager of its swarm, whose TLS files it is reached with."""
    trouble: str | None = None
    """As of Host."""


Given = str | Member | None
"""An engine as it is given: as people write it, the default one, or one of a list."""


def plain(host: Given) -> Any:
    """Return an engine as it is given in JSON's own types."""
    return asdict(host) if isinstance(host, Member) else host


def from_plain(value: Any) -> Given:
    """Return the engine that plain gave."""
    if isinstance(value, dict):
        return Member(**{**value, "ssh": tuple(value["ssh"])})
    return value if isinstance(value, str) else None


def resolve(host: Given, environment: Mapping[str, str] = os.environ) -> Host:
    """Return the engine that host names, or the default one in the docker CLI's order.

    That order is DOCKER_HOST, DOCKER_CONTEXT, the current context, the platform's socket. A host
    without "://" is the name of a context. Raises ConfigurationError for one that can't be one.
    """
    if isinstance(host, Member):
        if host.address is None and host.trouble is not None:
            return Host("", printable(host.name), host.name, trouble=host.trouble)
        try:
            found = resolve(host.address, environment)
        except ConfigurationError as error:
            raise ConfigurationError(f"{printable(host.name)}: {error}") from None
        there = without_user(host.docker_host) if host.docker_host else ""
        manager = resolve(host.manager, environment) if host.manager is not None else None
        return replace(
            found,
            shown=f"{printable(host.name)} ({' '.join(x for x in (found.shown, there) if x)})",
            label=host.name,
            tls=manager.tls if manager else found.tls,
            ssh=host.ssh,
            docker_host=host.docker_host,
            program=host.program,
            hint=host.hint,
            manager=manager,
            trouble=host.trouble or found.trouble,
        )
    if host is None:
        host = environment.get("DOCKER_HOST") or None
    if host == "":
        raise ConfigurationError("an empty text is not a docker host")
    if host is None:
        return _context(environment.get("DOCKER_CONTEXT") or None)
    if not isinstance(host, str):
        kind = type(host).__name__  # which shows no password
        raise ConfigurationError(f"a docker host is given as a text, and not as {kind}")
    if "://" not in host and ":" in host:  # no name of a context; the docker command's short form
        host = f"tcp://{host}"
    if "://" not in host:
        return _context(host)
    return _address(host)


def _address(url: str) -> Host:
    scheme, _, rest = url.partition("://")
    if scheme in ("ansible", "swarm"):
        raise ConfigurationError(
            f"{without_user(url)!r} is a list of engines, and one is asked for: give it with "
            "--docker-host or exposed_docker_host, or one of its engines here"
        )
    if scheme in SCHEMES and not rest:
        raise ConfigurationError(
            f"{url!r} is not a docker host: an address stands after {scheme}://"
        )
    if scheme not in SCHEMES or not url.isprintable() or " " in url:
        known = ", ".join(f"{x}://" for x in SCHEMES[:-1])
        raise ConfigurationError(
            f"{without_user(url)!r} is not a docker host: one begins with {known}, "
            "ansible:// or swarm://, or is the name of a docker context"
        )
    if scheme in ("unix", "http+unix", "npipe"):
        if not rest.startswith("/"):
            raise ConfigurationError(
                f"{without_user(url)!r} is not a docker host: a socket's path is absolute"
            )
        # As pytest shows it where it stands for a file, whose names have no double slash.
        return Host(url, url, f"{scheme}:{rest}")
    try:
        parts = urlsplit(url)
        name, _ = parts.hostname, parts.port
        if (name and ":" in name) or "[" in parts.netloc:  # urlsplit checks it since Python 3.11
            IPv6Address((name or "").partition("%")[0])
        # A "/", "?" or "#" in a password ends the host early.
        early = "@" in parts.path + parts.query + parts.fragment
    except ValueError:  # its text quotes parts of the address, which may be a password's
        name, early = None, True
    if not name or early:
        raise ConfigurationError(
            f"{without_user(url)!r} is not a docker host: write {scheme}://HOST:PORT"
        )
    shown = without_user(url)
    why = _unusable(scheme, parts)
    return Host(url, shown, name, trouble=f"{shown}: {why}" if why else None)


def _unusable(scheme: str, parts: SplitResult) -> str | None:
    """Return why the SDK, or an engine, can't take an address of a host, and what to do."""
    if scheme == "ssh":
        if parts.password is not None:
            return "ssh takes no password from an address: leave it out, and use a key or an agent"
        if parts.path:
            return "an address of ssh has no path: write ssh://HOST:PORT"
    elif "@" in parts.netloc:
        return (
            f"an engine knows no user at {scheme}://: leave the user out, and have the engine know "
            "you by TLS (DOCKER_TLS_VERIFY, DOCKER_CERT_PATH), or reach it by ssh://USER@HOST"
        )
    elif not parts.port:
        return f"the address has no port: write {scheme}://HOST:2375, or 2376 where it is of TLS"
    if parts.query or parts.fragment:
        return 'the address has a "?" or "#", and an engine takes none: leave it out'
    return None


def without_user(url: str) -> str:
    """Return an address to show: without user info, of whatever form, query or fragment."""
    scheme, separator, rest = url.rpartition("://") if "://" in url else ("", "", url)
    return printable(re.split(r"[?#]", scheme + separator + rest.rpartition("@")[2])[0])


def _context(name: str | None) -> Host:
    """Return the engine of a docker context; for None the current one, or the platform's socket.

    The SDK's own reader finds none where there is no config.json, and leaves out TLS files where
    one of them is missing. Layout of the folder: docker/cli, cli/context/store.
    """
    folder = os.environ.get("DOCKER_CONFIG") or os.path.join(os.path.expanduser("~"), ".docker")
    if name is None:
        current = _read(os.path.join(folder, "config.json"), "docker's configuration")
        name, given = _text(current, "currentContext") or "default", False
    else:
        given = True
    if name == "default":
        shown = "npipe:////./pipe/docker_engine" if os.name == "nt" else DEFAULT_SOCKET
        return _address(shown)
    identity = sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    contexts = os.path.join(folder, "contexts")
    what = f"the docker context {printable(name)!r}"
    meta = _read(os.path.join(contexts, "meta", identity, "meta.json"), what)
    if meta is None:
        raise ConfigurationError(
            f"there is no docker context {without_user(name)!r}: `docker context ls` shows those "
            "there are; an address has a scheme, such as unix://, tcp:// or ssh://"
            if given
            else f"the current docker context does not exist: {printable(name)!r}; `docker context "
            "ls` shows those there are, `docker context use NAME` chooses one"
        )
    endpoint = meta.get("Endpoints")
    endpoint = endpoint.get("docker") if isinstance(endpoint, dict) else None
    if not isinstance(endpoint, dict):
        raise ConfigurationError(f"{what} can't be read: it names no docker engine")
    try:
        found = _address(_text(endpoint, "Host"))
    except ConfigurationError as error:
        raise ConfigurationError(f"{what} can't be used: {error}") from None
    tls = None
    if found.url.startswith(("tcp://", "https://")):
        files = os.path.join(contexts, "tls", identity, "docker")
        tls = _tls(files, verify=endpoint.get("SkipTLSVerify") is not True)
    return Host(found.url, found.shown, name, tls, trouble=found.trouble)


def _read(path: str, what: str) -> Mapping[str, Any] | None:
    """Return the object in a JSON file, None where there is no file."""
    try:
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else f"it is no JSON ({error})"
        raise ConfigurationError(f"{what} can't be read: {path}: {printable(str(why))}") from None
    if not isinstance(record, dict):
        raise ConfigurationError(f"{what} can't be read: {path}: it is no JSON object")
    return record


def _text(record: Mapping[str, Any] | None, key: str) -> str:
    value = (record or {}).get(key)
    return value if isinstance(value, str) else ""


def _tls(folder: str, *, verify: bool) -> Any:
    """Return the TLS configuration of a context's files; None for a context without TLS."""
    found = {}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        for part in ("ca", "cert", "key"):
            if name.startswith(part):
                found[part] = os.path.join(folder, name)
    if verify and not found:
        return None
    from docker.tls import TLSConfig  # noqa: PLC0415  # the SDK is slow to import

    pair = (found["cert"], found["key"]) if "cert" in found and "key" in found else None
    return TLSConfig(client_cert=pair, ca_cert=found.get("ca"), verify=verify)
