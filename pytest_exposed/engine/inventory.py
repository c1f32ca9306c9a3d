"""Ansible inventories as lists of engines, each reached as Ansible reaches its host.

`ansible-inventory --list` reads them in any form. The variables are documented in Ansible's
"Connecting to hosts: behavioral inventory parameters" and its ssh connection plugin.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from tempfile import TemporaryFile
from threading import Event, Timer
from typing import Any

from pytest_exposed.engine.ansible_ssh import Settings
from pytest_exposed.engine.hosts import Member, resolve
from pytest_exposed.engine.json_fields import as_dict, as_texts
from pytest_exposed.errors import ConfigurationError
from pytest_exposed.text import did_you_mean, printable

SCHEME = "ansible://"

_SECONDS = 60.0
_MOST = 64 << 20
"""Bytes of an inventory; 10,000 hosts take a few million."""

_MOST_NAMED = 8

_SSH = ("ssh", "smart", "paramiko", "paramiko_ssh")


def members(written: str, inventory: str | None) -> list[Member]:
    """Return the engines of ansible://GROUP; inventory is a value of Ansible's -i.

    A host with another connection than ssh or local becomes a member with an error. Raises
    ConfigurationError if the inventory can't be read, has no such group or host, or the group is
    empty.
    """
    if inventory and "," not in inventory and not os.path.exists(inventory):
        raise ConfigurationError(f"there is no inventory {printable(inventory)}")
    group = written.removeprefix(SCHEME)
    if not group or not group.isprintable():
        raise ConfigurationError(f"{printable(written)!r} names no group: write ansible://GROUP")
    tree, warnings = _inventory(inventory)
    groups = {x: y for x, y in tree.items() if x != "_meta" and isinstance(y, dict)}
    named = {x for y in groups.values() for x in as_texts(y.get("children"))}  # also empty ones
    hosts = _hosts(group, groups)
    if not hosts and group in _hosts("all", groups):
        hosts = [group]
    if not hosts and (group in groups or group in named):
        raise ConfigurationError(f"{printable(written)}: the group has no hosts in the inventory")
    if not hosts:
        hint = _hint(group, {*groups, *named} - {"all", "ungrouped"})
        said = _unparsed(warnings)
        if not _hosts("all", groups):
            hint, said = ", and no host at all", said or "".join(warnings[-1:])
        if said:
            hint += f"; ansible-inventory says: {said}"
        where = (
            f" {printable(inventory)}" if inventory else " (ANSIBLE_INVENTORY, --ansible-inventory)"
        )
        raise ConfigurationError(
            f"{printable(written)}: Ansible's inventory{where} has no such group{hint}"
        )
    variables = as_dict(as_dict(tree.get("_meta")).get("hostvars"))
    found = []
    for name in hosts:
        try:
            found.append(_member(name, as_dict(variables.get(name))))
        except ConfigurationError as error:
            found.append(Member(name, None, trouble=str(error)))
    return found


def _hint(group: str, known: set[str]) -> str:
    """Return ": " and what may have been meant by a group that an inventory doesn't have."""
    if set(group) & set(",:*?[!&"):
        return ": it is one group or host, and no pattern: give --docker-host once for each"
    if (near := did_you_mean(group, known)) or not known:
        return near
    more = ", …" if len(known) > _MOST_NAMED else ""
    return f": it has {printable(', '.join(sorted(known)[:_MOST_NAMED]))}{more}"


def _hosts(group: str, groups: Mapping[str, Any]) -> list[str]:
    """Return the hosts of a group and its children, each once, in the inventory's order."""
    found: dict[str, None] = {}
    seen: set[str] = set()
    ahead = [group]
    while ahead:
        name = ahead.pop()
        if name not in seen:
            seen.add(name)
            record = as_dict(groups.get(name))
            found |= dict.fromkeys(as_texts(record.get("hosts")))
            ahead += reversed(as_texts(record.get("children")))
    return list(found)


def _member(name: str, variables: Mapping[str, Any]) -> Member:
    """Return the engine of a host: at its docker_host as seen from the host, or its default one.

    docker_host is an option of community.docker's modules, which run on the managed host: a socket
    or a loopback address is on that host. exposed_docker_host is an address as seen from here.
    """
    settings = Settings(name, variables)
    if address := settings.variable("exposed_docker_host"):
        return Member(name, address, hint="exposed_docker_host in the inventory")
    docker_host = settings.variable("docker_host")
    connection = (settings.variable("ansible_connection") or "ssh").rpartition(".")[2]
    if connection == "local":
        hint = "docker_host in the inventory" if docker_host else ""
        return Member(name, docker_host or None, hint=hint)
    if connection not in _SSH:
        raise ConfigurationError(
            f"{printable(name)}: an engine can't be reached by its ansible_connection "
            f"{printable(connection)}: give it a variable exposed_docker_host, an address as this "
            "machine sees it"
        )
    is_relative = re.match("unix://[^/]", docker_host)  # relative to an unknown folder
    if docker_host and ("://" not in docker_host or is_relative):
        raise ConfigurationError(
            f"{printable(name)}: its docker_host {printable(docker_host)!r} is no address on that "
            "host (unix://…, tcp://…): an address or a context of this machine is the variable "
            "exposed_docker_host"
        )
    if docker_host and (trouble := resolve(Member(name, docker_host), {}).trouble):
        raise ConfigurationError(f"{printable(name)}: {trouble}")
    return settings.by_ssh(docker_host)


def _inventory(inventory: str | None) -> tuple[Mapping[str, Any], list[str]]:
    """Return the output of `ansible-inventory --list`, and its warnings."""
    beside = os.path.dirname(sys.executable)
    program = shutil.which("ansible-inventory") or shutil.which("ansible-inventory", path=beside)
    if program is None:
        raise ConfigurationError(
            "ansible:// needs ansible-inventory, which is neither on the PATH nor beside Python: "
            "pip install ansible-core"
        )
    command = [program, "--list", *(["-i", inventory] if inventory else [])]
    with (
        TemporaryFile() as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,  # it can't ask for a vault's password
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        ) as process,
    ):
        timed_out = Event()

        def give_up() -> None:
            timed_out.set()
            _kill(process)

        late = Timer(_SECONDS, give_up)
        late.start()
        try:
            assert process.stdout is not None
            text = process.stdout.read(_MOST + 1)
            if len(text) > _MOST:
                _kill(process)
            code = process.wait()
        finally:
            late.cancel()
            _kill(process)  # on an interruption, or if it left processes running
        errors.seek(0)
        lines = errors.read(65536).decode(errors="backslashreplace").split("\n")
    said = next((printable(x.strip()) for x in reversed(lines) if x.strip()), "")
    if timed_out.is_set():
        raise ConfigurationError(f"ansible-inventory did not end within {_SECONDS:.0f} s")
    if len(text) > _MOST:
        raise ConfigurationError(f"ansible-inventory wrote more than {_MOST >> 20} MB")
    if code != 0:
        raise ConfigurationError(f"ansible-inventory ended with status {code}: {said}")
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        tree = None
    if not isinstance(tree, dict):
        raise ConfigurationError(f"ansible-inventory wrote no inventory: {said}")
    return tree, _warnings("\n".join(lines))


def _warnings(text: str) -> list[str]:
    """Return the first paragraph of each of Ansible's warnings, but for those of deprecation."""
    _, *found = text.replace("[WARNING]:", "\0").replace("[DEPRECATION", "\0\n\n").split("\0")
    first = (" ".join(re.split(r"\n\s*\n", x)[0].split()) for x in found)
    return [printable(x, 1024) for x in first if x and not x.startswith("Deprecation warnings")]


def _unparsed(warnings: Iterable[str]) -> str:
    """Return which source Ansible's warnings say it could not parse, and why; empty for none.

    Each of its plugins tries: that of scripts knows best, which takes what can be executed, or that
    of the file's ending, or else the last one, INI.
    """
    warnings = [x.removeprefix("* ") for x in warnings]
    unable = [x for x in warnings if x.startswith("Unable to parse")]
    failed = [x for x in warnings if x.startswith("Failed to parse") and ": " in x]
    is_yaml = any(re.search(r"\.(ya?ml|json)\b", x) for x in unable)
    by = {x.partition(": ")[0].replace("'", ""): x for x in reversed(failed)}
    kinds = ("script", *["yaml"] * is_yaml)
    best = [x for kind in kinds for plugin, x in by.items() if f" {kind} plugin" in plugin]
    best = best or failed[-1:]
    return "; ".join([*unable[:1], *best[:1]])


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a program and its children: an inventory can be a script."""
    # The id could be another group's only if this group is gone, and then hardly ever (pid_max).
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
