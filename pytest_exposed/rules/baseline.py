"""Baselines: the findings of a day, accepted so that only new ones fail. Pure but for its files.

A file of lines `CONTAINER: RULE [PORT]  [# words]`, sorted, to be reviewed in a diff. A container
is named by its Swarm or Compose service where it has one, so that replicas and ids change nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path

from pytest_exposed.errors import ConfigurationError, PortError
from pytest_exposed.model import Service
from pytest_exposed.model.ports import Port
from pytest_exposed.rules import RULES
from pytest_exposed.text import did_you_mean_file, printable
from pytest_exposed.values import dataclass

_SIGN = "# pytest-exposed baseline"
HEADING = f"{_SIGN} 1: findings that are accepted. Remove the lines of those you fix.\n"

_K8S, _GITLAB = "io.kubernetes", "com.gitlab.gitlab-runner"
_SAFE = "[bcdfghjklmnpqrstvwxz2456789]"
"""The characters of names that Kubernetes makes up: alphanums in its util/rand."""

REASON = "baseline"
"""What a finding that a baseline accepts is waived for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An accepted finding: of a container or service, by a rule, about a port or about none."""

    container: str
    rule: str
    port: Port | None
    words: str = field(default="", compare=False)
    """The comment behind it."""

    @classmethod
    def parse(cls, line: str) -> Entry:
        """Return the entry of a line; ConfigurationError names one that is none."""
        text, _, words = line.replace("\t#", " #").partition(" #")
        container, colon, rest = text.partition(": ")
        rule, _, port = rest.strip().partition(" ")
        why = "write CONTAINER: RULE PORT"
        is_one = colon and " " not in container
        if is_one and rule not in RULES:
            why = f"{rule!r} is not a rule ({', '.join(RULES)})"
        elif is_one:
            try:
                number = Port.parse(port.strip()) if port.strip() else None
                return cls(container, rule, number, words.strip())
            except PortError as error:
                why = str(error)
                if re.search(r"\buntil\b", port):
                    why = "a last day is for waivers (exposed_allow)"
        raise ConfigurationError(f"{line!r} is not a line of a baseline: {why}")

    @classmethod
    def of(cls, container: str, rule: str, port: Port | None) -> Entry:
        """Return the entry of a finding; without a port if that changes at each start."""
        return cls(container, rule, None if RULES[rule].gather else port)

    @property
    def line(self) -> str:
        """The line of a file."""
        return f"{self}  # {self.words}" if self.words else str(self)

    def __str__(self) -> str:
        return f"{self.container}: {self.rule}" + (f" {self.port}" if self.port else "")


def key(name: str, labels: Mapping[str, str], image_id: str = "") -> str:
    """Return what a container is called in a baseline: its service, or its own name.

    Labels can be any text: spaces are replaced, so that none looks like another line.
    """
    service = Service.of(labels, name, image_id)
    return printable(service.name if service else _lasting_name(name, labels)).replace(" ", "\\x20")


def _lasting_name(name: str, labels: Mapping[str, str]) -> str:
    """Return a name that is the same in the next run, for containers that get a new one each time.

    Kubernetes by cri-dockerd: k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT (makeContainerName in its
    core/naming.go); the pods of a Deployment are called NAME-HASH-RANDOM. GitLab's runner labels
    the services of a job (docker/internal/labels). GitHub's calls them HEX_IMAGE_HEX
    (ContainerDisplayName in ContainerInfo.cs of actions/runner).
    """
    if name.startswith("k8s_") and (pod := labels.get(f"{_K8S}.pod.name")):
        pod = re.sub(rf"-{_SAFE}{{5,10}}-{_SAFE}{{5}}$", "", pod)
        place = labels.get(f"{_K8S}.pod.namespace", ""), pod, labels.get(f"{_K8S}.container.name")
        return "/".join(x for x in place if x)
    if labels.get(f"{_GITLAB}.type") == "service" and (service := labels.get(f"{_GITLAB}.service")):
        version = labels.get(f"{_GITLAB}.service.version")
        return f"gitlab/{service}" + (f":{version}" if version else "")
    if of_github := re.fullmatch(r"[0-9a-f]{32}_([0-9A-Za-z_]+)_[0-9a-f]{6}", name):
        return f"github/{of_github[1]}"
    return name


def read(path: Path) -> frozenset[Entry]:
    """Return the entries of a file; ConfigurationError where it is missing or is no baseline."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows' editors begin with a mark
    except FileNotFoundError:
        raise ConfigurationError(
            f"there is no baseline {path}{did_you_mean_file(path) or ':'} "
            "--exposed-write-baseline writes one"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(f"the baseline {path} can't be read: {why}") from None
    if not text.startswith(f"{_SIGN} 1:"):
        raise ConfigurationError(
            f"{path} is not a baseline: its first line is not `{_SIGN} 1:`; "
            "--exposed-write-baseline writes one"
        )
    lines = [x.strip() for x in text.splitlines()]
    try:
        return frozenset(Entry.parse(x) for x in lines if x and not x.startswith("#"))
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def may_be_replaced(path: Path) -> bool:
    """Return whether a baseline may be written to a path: no file is lost that is none."""
    try:
        if not path.is_file():
            return True
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            begins = file.read(len(_SIGN))
    except OSError:  # writing it will say why
        return True
    return begins in ("", _SIGN)


def write(path: Path, entries: Iterable[Entry]) -> None:
    """Write a file of entries; raises OSError."""
    lines = sorted({str(x): x.line for x in entries}.values())
    path.write_text(HEADING + "".join(f"{x}\n" for x in lines), encoding="utf-8")
