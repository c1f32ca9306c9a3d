"""The lines of a Dockerfile at which findings can be fixed: EXPOSE, or the last FROM.

Format: https://docs.docker.com/reference/dockerfile/. A backslash continues a line, or the
character of a directive `# escape=`; here-documents are not instructions.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from pytest_exposed.errors import ConfigurationError, ObservationError, PortError
from pytest_exposed.model import Container
from pytest_exposed.model.ports import Port, Ports
from pytest_exposed.text import printable
from pytest_exposed.values import dataclass

_HERE = re.compile(r"<<-?\s*[\"']?([A-Za-z_]\w*)[\"']?")


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A Dockerfile's path, and the lines of its last stage that concern ports."""

    path: str
    """The path as given."""
    last_from: int
    """The line number of its last FROM, from 1."""
    exposes: tuple[tuple[int, Ports], ...] = ()
    """The line numbers of each EXPOSE after that, with its ports."""

    @classmethod
    def read(cls, path: str) -> Dockerfile:
        """Return a parsed file; raises ConfigurationError if it is no Dockerfile."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
            raise ConfigurationError(f"the Dockerfile {path} can't be read: {why}") from None
        return cls.parse(path, text)

    @classmethod
    def parse(cls, path: str, text: str) -> Dockerfile:
        """Return a parsed text; raises ConfigurationError if it has no FROM."""
        last, exposes = 0, list[tuple[int, Ports]]()
        for number, instruction, words in _instructions(text):
            if instruction == "FROM":
                last, exposes = number, []
            elif instruction == "EXPOSE" and last:
                exposes.append((number, _ports(words)))
        if not last:
            raise ConfigurationError(f"{path} is no Dockerfile: it has no FROM")
        return cls(path, last, tuple(exposes))

    def line_of(self, port: Port | None) -> int:
        """Return the line at which a port's finding can be fixed.

        This is the port's own EXPOSE, or else the last EXPOSE, or else the last FROM.
        """
        own = [line for line, ports in self.exposes if port in ports]
        return (own or [line for line, _ in self.exposes] or [self.last_from])[-1]

    def pointed_at(self, container: Container) -> Container:
        """Return the container with the Dockerfile's line in each fix."""
        verdict = container.verdict
        if isinstance(verdict, ObservationError):
            return container
        found = (
            replace(x, fix=f"{x.fix} ({printable(self.path)}:{self.line_of(x.port)})")
            for x in verdict
        )
        return replace(container, verdict=tuple(found))


def _ports(words: list[str]) -> Ports:
    """Return the ports of an EXPOSE, except those in variables."""
    found = Ports()
    for word in words:
        try:
            found |= Ports.parse(word.lower())
        except PortError:  # a variable, known only to the build
            continue
    return found


def _instructions(text: str) -> list[tuple[int, str, list[str]]]:
    """Return the line number, name and words of each instruction."""
    escape = re.match(r"(?:\s*#[^\n]*=[^\n]*\n)*?\s*#\s*escape\s*=\s*([\\`])", text)
    mark = escape[1] if escape else "\\"
    found: list[tuple[int, str, list[str]]] = []
    whole, began = "", 0
    ends: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if ends:
            if line.strip("\t ") == ends[0]:
                ends.pop(0)
            continue
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        began = began if whole else number
        whole += stripped
        if whole.endswith(mark):
            whole = whole[:-1] + " "
            continue
        name, *words = whole.split() or [""]
        found.append((began, name.upper(), words))
        if name.upper() in ("RUN", "COPY", "ADD"):
            ends = _HERE.findall(whole)
        whole = ""
    return found
