"""Resolves hosts, the environment and docker contexts to the addresses of engines."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import asdict, field, replace
from ipaddress import IPv6Address
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from pytest_exposed.engine import docker_config
from pytest_exposed.engine.docker_config import Tls
from pytest_exposed.errors import ConfigurationError
from pytest_exposed.text import did_you_mean, printable
from pytest_exposed.values import dataclass

SCHEMES = ("unix", "tcp", "ssh", "npipe", "http", "https", "http+unix")
DEFAULT_SOCKET = "unix:///var/run/docker.sock"


@dataclass(frozen=True, slots=True)
class Host:
    """An engine's address. Only the fields in its repr are safe to show."""

    url: str = field(repr=False)
    """The address to connect to, with ssh's user."""
    shown: str
    """The address without its user info."""
    label: str
    """A short name for test ids: a host's name, a context's name, or a socket's address."""
    tls: Tls | None = field(default=None, repr=False, compare=False)
    """Its TLS; None for a plain connection."""
    ssh: tuple[str, ...] = field(default=(), repr=False)
    """Options and destination for the ssh program; empty for other connections."""
    docker_host: str = ""
    """The engine's address on the host at the other end of ssh; empty for its default."""
    program: str = "ssh"
    """The ssh program."""
    hint: str = field(default="", compare=False)
    """A hint for when ssh fails; of any other connection, what names the address."""
    manager: Host | None = field(default=None, repr=False)
    """The manager to ask for the swarm's services; None to ask the engine itself."""
    trouble: str | None = None
    """Why it can't be reached, if that is already known."""


@dataclass(frozen=True, slots=True)
class Member:
    """An engine of another tool's list, with its name there and the way to reach it."""

    name: str
    address: str | None = field(repr=False)
    """A host, as for resolve."""
    ssh: tuple[str, ...] = field(default=(), repr=False)
    """As in Host."""
    docker_host: str = ""
    """As in Host, like the next ones."""
    program: str = "ssh"
    hint: str = field(default="", compare=False)
    manager: str | None = field(default=None, repr=False)
    """The manager of its swarm; its TLS files are used for this engine, too."""
    trouble: str | None = None
    """As in Host."""


Given = str | Member | None
"""A host as given: as users write it, None for the default, or a member of a list."""


def plain(host: Given) -> Any:
    """Return a given host in JSON's own types."""
    return asdict(host) if isinstance(host, Member) else host


def from_plain(value: Any) -> Given:
    """Return the host that plain returned this for."""
    if isinstance(value, dict):
        return Member(**{**value, "ssh": tuple(value["ssh"])})
    return value if isinstance(value, str) else None


def resolve(host: Given, environment: Mapping[str, str] = os.environ) -> Host:
    """Return the engine of a host, or the default one in the docker command's order.

    This order is DOCKER_HOST, DOCKER_CONTEXT, the current context, the platform's socket. A host
    without "://" is the name of a context. Raises ConfigurationError for an invalid host.
    """
    if isinstance(host, Member):
        return _of_member(host, environment)
    if host is None:
        return replace(_default(environment), hint="DOCKER_HOST, --docker-host")
    if not isinstance(host, str):
        kind = type(host).__name__  # the value may hold a password
        raise ConfigurationError(f"a docker host is a string, and not {kind}")
    host = host.strip()
    if not host:
        raise ConfigurationError("an empty string is not a docker host")
    if ":" in host:
        return _address(host, environment)
    return _context(host, environment, is_given=True)


def _of_member(member: Member, environment: Mapping[str, str]) -> Host:
    if member.address is None and member.trouble is not None:
        return Host("", printable(member.name), member.name, trouble=member.trouble)
    try:
        found = resolve(member.address, environment)
    except ConfigurationError as error:
        raise ConfigurationError(f"{printable(member.name)}: {error}") from None
    there = without_user(member.docker_host) if member.docker_host else ""
    manager = resolve(member.manager, environment) if member.manager is not None else None
    return replace(
        found,
        shown=f"{printable(member.name)} ({' '.join(x for x in (found.shown, there) if x)})",
        label=member.name,
        tls=manager.tls if manager else found.tls,
        ssh=member.ssh or found.ssh,
        docker_host=member.docker_host or found.docker_host,
        program=member.program,
        hint=member.hint,
        manager=manager,
        trouble=member.trouble or found.trouble,
    )


def _default(environment: Mapping[str, str]) -> Host:
    if environment.get("DOCKER_HOST"):
        return _context("default", environment, is_given=True)
    if name := environment.get("DOCKER_CONTEXT"):
        return _context(name, environment, is_given=True)
    return _context(docker_config.current_context(), environment, is_given=False)


def _context(name: str, environment: Mapping[str, str], *, is_given: bool) -> Host:
    if name == "default":  # the engine of DOCKER_HOST, as `docker context ls` shows
        written = environment.get("DOCKER_HOST", "").strip()
        if written.startswith("/"):
            raise ConfigurationError(
                f"DOCKER_HOST={written!r} is not a docker host: write unix://{written}"
            )
        if written:  # never the name of a context
            try:
                return _address(written, environment)
            except ConfigurationError as error:
                raise ConfigurationError(f"DOCKER_HOST: {error}") from None
        has_tls = docker_config.tls_of_environment(environment) is not None
        return _address("tcp://localhost:2376" if has_tls else _own_socket(), environment)
    url, tls = docker_config.context(name, is_given=is_given)
    if not url:
        return replace(_address(_own_socket(), {}), label=name)
    try:
        if "://" not in url or url.endswith("://"):
            raise ConfigurationError(f"{without_user(url)!r} is not a docker host")  # noqa: TRY301
        found = _address(url, {}, port=443 if tls else 80)
    except ConfigurationError as error:
        what = f"the docker context {printable(name)!r}"
        raise ConfigurationError(f"{what} can't be used: {error}") from None
    return replace(found, label=name, tls=tls if found.url.startswith("tcp://") else found.tls)


def _own_socket() -> str:
    return "npipe:////./pipe/docker_engine" if os.name == "nt" else DEFAULT_SOCKET


def _address(url: str, environment: Mapping[str, str], port: int = 2375) -> Host:
    """Return the engine of an address as the docker command reads it; port is the default port."""
    if "://" not in url:
        url = f"tcp://{url}"
    scheme, _, rest = url.partition("://")
    if scheme in ("ansible", "swarm"):
        raise ConfigurationError(
            f"{without_user(url)!r} is a list of engines, and one is asked for: name one, such as "
            "ssh://HOST; --docker-host and exposed_docker_host take lists"
        )
    is_socket = scheme in ("unix", "http+unix", "npipe")
    if not url.isprintable() or (" " in url and not is_socket):
        raise ConfigurationError(
            f"{without_user(url)!r} is not a docker host: it has a blank or a control character"
        )
    if scheme not in SCHEMES:
        lists = ("ansible", "swarm")
        known = ", ".join(f"{x}://" for x in (*SCHEMES[:-1], *lists))
        near = did_you_mean(scheme, (*SCHEMES, *lists)) or f": one begins with {known}"
        raise ConfigurationError(f"{without_user(url)!r} is not a docker host{near}")
    if is_socket:
        return _socket(scheme, rest)
    if not rest and scheme != "tcp":
        raise ConfigurationError(
            f"{url!r} is not a docker host: an address stands after {scheme}://"
        )
    return _network(scheme, url, environment, port)


def _socket(scheme: str, path: str) -> Host:
    if not path:
        return _socket(*_own_socket().split("://"))
    trouble = None
    if scheme == "npipe" and os.name != "nt":
        trouble = f"named pipes are of Windows: give a socket, such as {DEFAULT_SOCKET}"
    if scheme != "npipe" and not path.startswith("/"):
        whole = os.path.join(os.getcwd(), path)
        if not os.path.exists(whole):
            trouble = f"there is no such socket; with three slashes it is {scheme}:///{path}"
        path = whole
    url = f"{scheme}://{path}"
    trouble = f"{url}: {trouble}" if trouble else None
    # Without a double slash, as pytest shows paths.
    return Host(url, url, url.replace("://", ":", 1), trouble=trouble)


def _network(scheme: str, url: str, environment: Mapping[str, str], port: int) -> Host:
    try:
        parts = urlsplit(url)
        name, given = parts.hostname, parts.port
        if (name and ":" in name) or "[" in parts.netloc:  # urlsplit checks this since Python 3.11
            IPv6Address((name or "").partition("%")[0])
        # A "/", "?" or "#" in a password ends the host early.
        early = "@" in parts.path + parts.query + parts.fragment
    except ValueError:  # its text quotes the address, maybe a password in it
        parts, name, given, early = SplitResult("", "", "", "", ""), None, None, True
    if scheme == "tcp" and not early:  # the docker command ignores user and query
        name = name or "localhost"
        there = f"[{name}]" if ":" in name else name
        url = f"tcp://{there}:{port if given is None else given}{parts.path.rstrip('/')}"
    if not name or early:
        raise ConfigurationError(
            f"{without_user(url)!r} is not a docker host: write {scheme}://HOST:PORT"
        )
    shown = without_user(url)
    if scheme == "ssh":
        return _of_ssh(url, shown, parts)
    tls = docker_config.tls_of_environment(environment) if scheme != "http" else None
    if scheme == "https" and tls is None:
        files = environment.get("DOCKER_CERT_PATH")
        tls = docker_config.tls_in(files, verify=True) if files else Tls("", "", "", verify=True)
    why = _unusable(scheme, parts) if scheme != "tcp" else None
    if tls is not None and tls.missing and not tls.ca:
        why = f"TLS failed: {tls.missing} (DOCKER_TLS_VERIFY, DOCKER_CERT_PATH)"
    return Host(url, shown, name, tls, trouble=f"{shown}: {why}" if why else None)


def _of_ssh(url: str, shown: str, parts: SplitResult) -> Host:
    options = ["-l", unquote(parts.username)] if parts.username else []
    options += ["-p", str(parts.port)] if parts.port else []
    path = parts.path.rstrip("/")
    why = _unusable("ssh", parts)
    name = parts.hostname or ""
    return Host(
        url,
        shown,
        name,
        ssh=(*options, name),
        docker_host=f"unix://{path}" if path else "",
        trouble=f"{shown}: {why}" if why else None,
    )


def _unusable(scheme: str, parts: SplitResult) -> str | None:
    """Return why the address of a host can't be used and what to do, or None."""
    if scheme == "ssh":
        if parts.password is not None:
            return "ssh takes no password from an address: leave it out, and use a key or an agent"
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
    """Return an address that is safe to show: without user info, query or fragment."""
    scheme, separator, rest = url.rpartition("://")
    return printable(re.split(r"[?#]", scheme + separator + rest.rpartition("@")[2])[0])
