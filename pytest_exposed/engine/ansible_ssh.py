"""Ansible's ssh settings of a host, from its variables, the environment and ansible.cfg.

Source of names and order: the options and _build_command of Ansible's ssh connection plugin. If
several names of an option are set, the last one counts (_loop_entries of
ansible/config/manager.py). Variables override the environment, which overrides the file.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from contextlib import suppress
from functools import cached_property
from typing import Any, NamedTuple

from pytest_exposed.engine.hosts import Member
from pytest_exposed.errors import ConfigurationError
from pytest_exposed.text import printable


class _Option(NamedTuple):
    """The places where an option of the plugin can be set."""

    variables: tuple[str, ...]
    environment: tuple[str, ...] = ()
    file: tuple[tuple[str, str], ...] = ()


def _ssh(key: str) -> tuple[str, str]:
    return "ssh_connection", key


_OPTIONS = {
    "host": _Option(("ansible_host", "ansible_ssh_host")),
    "port": _Option(
        ("ansible_port", "ansible_ssh_port"),
        ("ANSIBLE_REMOTE_PORT",),
        (("defaults", "remote_port"),),
    ),
    "user": _Option(
        ("ansible_user", "ansible_ssh_user"),
        ("ANSIBLE_REMOTE_USER",),
        (("defaults", "remote_user"),),
    ),
    "key": _Option(
        ("ansible_private_key_file", "ansible_ssh_private_key_file"),
        ("ANSIBLE_PRIVATE_KEY_FILE",),
        (("defaults", "private_key_file"),),
    ),
    "host_key_checking": _Option(
        ("ansible_host_key_checking", "ansible_ssh_host_key_checking"),
        ("ANSIBLE_HOST_KEY_CHECKING", "ANSIBLE_SSH_HOST_KEY_CHECKING"),
        (("defaults", "host_key_checking"), _ssh("host_key_checking")),
    ),
    "args": _Option(("ansible_ssh_args",), ("ANSIBLE_SSH_ARGS",), (_ssh("ssh_args"),)),
    "common_args": _Option(
        ("ansible_ssh_common_args",), ("ANSIBLE_SSH_COMMON_ARGS",), (_ssh("ssh_common_args"),)
    ),
    "extra_args": _Option(
        ("ansible_ssh_extra_args",), ("ANSIBLE_SSH_EXTRA_ARGS",), (_ssh("ssh_extra_args"),)
    ),
    "executable": _Option(
        ("ansible_ssh_executable",), ("ANSIBLE_SSH_EXECUTABLE",), (_ssh("ssh_executable"),)
    ),
    "timeout": _Option(
        ("ansible_ssh_timeout",),
        ("ANSIBLE_TIMEOUT", "ANSIBLE_SSH_TIMEOUT"),
        (("defaults", "timeout"),),
    ),
}

_TRUE = ("y", "yes", "on", "1", "1.0", "true", "t")
"""Ansible's spellings of true; all others are false (parsing/convert_bool.py)."""

_IGNORED = {
    "ansible_password": "a password",
    "ansible_ssh_pass": "a password",
    "ansible_ssh_password": "a password",
    "ansible_private_key": "a key",
    "ansible_ssh_private_key": "a key",
}
"""Variables without an option of the ssh program: Ansible passes them by sshpass or an agent."""


class Settings:
    """The settings by which Ansible reaches one host of an inventory by ssh."""

    def __init__(self, name: str, variables: Mapping[str, Any]) -> None:
        self._name = name
        self._variables = variables

    def variable(self, name: str) -> str:
        """Return a variable as text, empty if not set; raises ConfigurationError for a template."""
        value = self._variables.get(name)
        text = "" if value is None else str(value)
        is_plain = isinstance(value, (str, int, float, type(None))) and text.isprintable()
        if not is_plain or "{{" in text:
            raise ConfigurationError(
                f"{printable(self._name)}: its {name} can't be used as written, "
                f"{printable(text)!r}: ansible-inventory fills no templates in; give it a variable "
                "exposed_docker_host"
            )
        return text

    def by_ssh(self, docker_host: str) -> Member:
        """Return the engine at the managed host's docker_host, by ssh with Ansible's options."""
        options = self._split("args")
        checking = self._option("host_key_checking")
        if checking and not _is_true(checking):
            options += ["-o", "StrictHostKeyChecking=no"]
        if port := self._option("port"):
            options += ["-o", f"Port={port}"]
        if key := self._option("key"):
            options += ["-o", f'IdentityFile="{os.path.expanduser(key)}"']
        if user := self._option("user"):
            options += ["-o", f"User={user}"]
        if timeout := self._option("timeout"):
            options += ["-o", f"ConnectTimeout={timeout}"]
        options += [*self._split("common_args"), *self._split("extra_args")]
        host = self._option("host") or self._name
        shown = f"[{host}]" if ":" in host else host
        return Member(
            self._name,
            f"ssh://{shown}:{port}" if port else f"ssh://{shown}",
            (*options, host),
            docker_host=docker_host,
            program=self._option("executable") or "ssh",
            hint=self._hint(),
        )

    def _hint(self) -> str:
        """Return the hint for a failed connection: the variables that are not used."""
        hints = [
            f"its {x} is not used: ssh has to log in without {what}, by a key file or an agent"
            for x, what in _IGNORED.items()
            if self._variables.get(x)
        ][:1]
        if _is_true(self._variables.get("ansible_become")):
            hints.append(
                "its ansible_become is not used: the user who logs in needs the right to use the "
                "engine (group docker), or set ansible_user to one who has it"
            )
        return "; ".join(hints)

    def _option(self, option: str) -> str:
        """Return an option's value, empty if it is not set anywhere."""
        names = _OPTIONS[option]
        set_here = [x for x in names.variables if self._variables.get(x) not in (None, "")]
        if set_here:
            return self.variable(set_here[-1])
        given = [x for x in names.environment if os.environ.get(x)]
        if given:
            return os.environ[given[-1]]
        written = [self._file.get(*x, fallback="") for x in names.file]
        return next((x for x in reversed(written) if x), "")

    def _split(self, option: str) -> list[str]:
        try:
            return shlex.split(self._option(option))
        except ValueError as error:
            raise ConfigurationError(
                f"{printable(self._name)}: its arguments of ssh can't be split: {error}"
            ) from None

    @cached_property
    def _file(self) -> ConfigParser:
        """Ansible's configuration: the first file found; empty if none can be read."""
        found = ConfigParser(inline_comment_prefixes=(";",), interpolation=None, strict=False)
        path = next((x for x in _configuration_files() if os.path.isfile(x)), None)
        if path is not None:
            # ansible-inventory has already reported what is wrong with it.
            with suppress(OSError, UnicodeDecodeError, ConfigParserError):
                found.read(path, encoding="utf-8")
        return found


def _is_true(value: object) -> bool:
    return str(value).strip().lower() in _TRUE


def _configuration_files() -> list[str]:
    """Return the paths of Ansible's configuration (find_ini_config_file of config/manager.py)."""
    found = []
    if given := os.environ.get("ANSIBLE_CONFIG"):
        given = os.path.expanduser(given)
        found.append(os.path.join(given, "ansible.cfg") if os.path.isdir(given) else given)
    with suppress(OSError):
        here = os.getcwd()
        if not os.stat(here).st_mode & stat.S_IWOTH:  # anyone could have made it
            found.append(os.path.join(here, "ansible.cfg"))
    return [*found, os.path.expanduser("~/.ansible.cfg"), "/etc/ansible/ansible.cfg"]
