"""The lines of a Dockerfile at which findings can be fixed: EXPOSE, or the last FROM."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path

from pytest_exposed.errors import ConfigurationError, ObservationError
from pytest_exposed.model import Container, Finding
from pytest_exposed.model.ports import Port, Ports
from pytest_exposed.report.instructions import (
    VARIABLE,
    command_of,
    expanded,
    instructions,
    ports_of,
    values_of,
)
from pytest_exposed.rules.advice import INHERITED
from pytest_exposed.rules.layers import exposed
from pytest_exposed.text import did_you_mean_file, printable
from pytest_exposed.values import dataclass

_OF_DOCUMENTED = r"remove EXPOSE \S+ from its Dockerfile|write EXPOSE \S+ in its Dockerfile instead"
"""What advice says of a port that is documented in vain."""

_LATER = ["ONBUILD", "EXPOSE"]


@dataclass(frozen=True, slots=True)
class Expose:
    """An EXPOSE: its line from 1, its ports, and whether a variable of the build is among them."""

    line: int
    ports: Ports
    has_variable: bool
    is_known: bool = True
    """Whether the file gives each variable a value, which an argument of the build may change."""


@dataclass(slots=True)
class Stage:
    """A stage: the line of its FROM, its name, its EXPOSE lines and what its variables are."""

    line: int
    name: str
    exposes: list[Expose] = field(default_factory=list)
    """With those of the stages of this file that it begins from."""
    later: list[Expose] = field(default_factory=list)
    """Those of ONBUILD, for the stages that begin from it."""
    given: dict[str, str] = field(default_factory=dict)
    """By ARG."""
    environment: dict[str, str] = field(default_factory=dict)
    """By ENV, which wins."""
    fixed: set[str] = field(default_factory=set)
    """Those of ENV that no argument of the build changes."""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    """As of an image; both are empty where the base image has them."""
    base: str = "scratch"
    """The image of another file that it begins from."""
    shell: tuple[str, ...] = ("/bin/sh", "-c")

    @property
    def ports(self) -> Ports:
        """The ports that it exposes, but for those in variables that are not known."""
        return Ports(y for x in self.exposes for y in x.ports)

    @classmethod
    def begun(
        cls, line: int, words: Sequence[str], before: Sequence[Stage], given: Mapping[str, str]
    ) -> Stage:
        """Return the stage of a FROM, with all that it has from another stage of the file.

        given are the arguments of the file, before its first FROM.
        """
        words = [expanded(x, given) for x in words]
        image, *rest = [x for x in words if not x.startswith("--")] or [""]
        name = rest[1].lower() if len(rest) > 1 and rest[0].upper() == "AS" else ""
        base = next((x for x in reversed(before) if x.name == image.lower()), None)
        if base is None:
            return cls(line, name, base=image)
        return replace(
            base,
            line=line,
            name=name,
            exposes=[*base.exposes, *base.later],
            later=[],
            given=dict(base.given),
            environment=dict(base.environment),
            fixed=set(base.fixed),
        )

    def add(self, line: int, instruction: str, words: Sequence[str], given: dict[str, str]) -> None:
        """Add an instruction; given are the arguments of the file, before its first FROM."""
        values = self.given | self.environment
        if instruction == "ARG":
            self.given |= {x: given[x] for x in words if x in given} | values_of(words, values)
        elif instruction == "ENV":
            pair = [f"{words[0]}={' '.join(words[1:])}"] if words else []
            pairs = words if words and "=" in words[0] else pair
            self.environment |= values_of(pairs, values)
            for name, _, value in (x.partition("=") for x in pairs):
                (self.fixed.discard if "$" in value else self.fixed.add)(name)
        elif instruction == "EXPOSE" or [instruction, *map(str.upper, words[:1])] == _LATER:
            written = words if instruction == "EXPOSE" else words[1:]
            names = {x[1] or x[2] for word in written for x in VARIABLE.finditer(word)}
            is_known = not any("$" in expanded(x, values) for x in written)
            has_variable = not (is_known and names <= self.fixed)
            there = self.exposes if instruction == "EXPOSE" else self.later
            there.append(Expose(line, ports_of(written, values), has_variable, is_known))
        elif instruction == "SHELL":
            self.shell = command_of(words, self.shell)
        elif instruction == "CMD":
            self.command = command_of(words, self.shell)
        elif instruction == "ENTRYPOINT":
            self.entrypoint, self.command = command_of(words, self.shell), ()

    def runs(self, command: Sequence[str]) -> bool:
        """Return whether this is what an image runs, its entrypoint and command."""
        # The classic builder keeps the blanks of a line, and those of lines that go on.
        own = [" ".join(x.split()) for x in self.own_command]
        return bool(own) and [" ".join(x.split()) for x in command[-len(own) :]] == own

    def by_order(self, port: Port, history: Sequence[str]) -> list[Expose]:
        """Return the EXPOSE that made the layer of a port, by their order; none where unclear."""
        layers = exposed(history)[: len(self.exposes)]
        pairs = list(zip(reversed(self.exposes), layers, strict=False))
        if len(pairs) < len(self.exposes):
            return []
        if any(x.ports != ports for x, ports in pairs if not x.has_variable):
            return []
        return [x for x, ports in pairs if port in ports][:1]

    @property
    def own_command(self) -> tuple[str, ...]:
        """What its file has it run; empty where that is for its base image to say."""
        return (*self.entrypoint, *self.command)


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A Dockerfile's path, and the lines that concern ports."""

    path: str
    """The path as given."""
    stages: tuple[Stage, ...]
    """At least one."""
    _built: dict[tuple[Ports, Sequence[str]], Stage] = field(
        default_factory=dict, compare=False, repr=False
    )
    """The stages that images were built from, by the images' ports and what they run."""

    @classmethod
    def read(cls, path: str) -> Dockerfile:
        """Return a parsed file; raises ConfigurationError if it is no Dockerfile."""
        try:
            text = Path(path).read_bytes().decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
            near = "" if os.path.exists(path) else did_you_mean_file(path)
            raise ConfigurationError(f"the Dockerfile {path} can't be read: {why}{near}") from None
        return cls.parse(path, text)

    @classmethod
    def parse(cls, path: str, text: str) -> Dockerfile:
        """Return a parsed text; raises ConfigurationError if it has no FROM."""
        stages: list[Stage] = []
        given: dict[str, str] = {}
        for number, instruction, words in instructions(text):
            if instruction == "FROM":
                stages.append(Stage.begun(number, words, stages, given))
            elif stages:
                stages[-1].add(number, instruction, words, given)
            elif instruction == "ARG":
                given |= values_of(words, given)
        if not stages:
            raise ConfigurationError(f"{path} is no Dockerfile: it has no FROM")
        return cls(path, tuple(stages))

    def line_of(
        self,
        port: Port | None,
        documented: Ports,
        command: Sequence[str] = (),
        history: Sequence[str] | None = None,
    ) -> int:
        """Return the line at which a port's finding can be fixed.

        documented are the image's ports, command is its entrypoint and command, history the
        commands of its layers, newest first, where these are known. The line is that of the port's
        own EXPOSE. A documented port without one is that of a variable, or of the base image, which
        the stage's FROM names. Any other belongs to the stage's last EXPOSE, or else its FROM.
        """
        stage = self._stage(documented, command)
        if port is not None and port in documented:
            found = stage.by_order(port, history or ()) or [
                x for x in stage.exposes if port in x.ports
            ]
            # A build argument may have given a variable another value than the file does.
            found = found or [
                x
                for x in stage.exposes
                if x.has_variable and not (x.is_known and x.ports <= documented)
            ]
        else:
            found = [x for x in stage.exposes if port is not None and port in x.ports]
            found = found or [x for x in stage.exposes if x.line > stage.line]
        return found[-1].line if found else stage.line

    def _stage(self, documented: Ports, command: Sequence[str]) -> Stage:
        """Return the stage that an image with these ports was built from."""
        key = documented, command
        if key not in self._built:
            self._built[key] = self._likely(documented, command)
        return self._built[key]

    def _likely(self, documented: Ports, command: Sequence[str]) -> Stage:
        """Return the stage that an image with these ports was most likely built from.

        That is the last one, unless `docker build --target` named another, whose ports the image
        has more of: it may also have been built before a line of the last one was written. Of
        those that are as likely it is the one that runs what the image does, or at least nothing
        else.
        """

        def likeness(stage: Stage) -> int:
            return len(stage.ports & documented) - len(stage.ports - documented)

        likely = max(self.stages, key=lambda x: (likeness(x), x.runs(command), x.line))
        if likeness(likely) > 0:
            return likely
        alike = [x for x in self.stages if x.runs(command)]
        if not alike and command and self.stages[-1].own_command:
            alike = [x for x in self.stages if not x.own_command]
        alike = alike or [self.stages[-1]]
        return max(alike, key=lambda x: (likeness(x), x.line))

    def _may_be_of(self, documented: Ports, command: Sequence[str]) -> bool:
        """Return whether an image may have been built from the file: something of it is in both."""
        plain = [not x.ports and not x.own_command for x in self.stages]
        # A build argument may have changed a port, and not what is run.
        candidates = [x for x in self.stages if not command or not x.own_command or x.runs(command)]
        return (
            plain[-1]
            or (any(plain) and not documented)
            or any(x.ports & documented or x.runs(command) for x in self.stages)
            or any(y.has_variable for x in candidates for y in x.exposes)
        )

    def _lacks(self, port: Port | None, stage: Stage) -> bool:
        """Return whether the file has no EXPOSE of a port, nor a stage one of a variable."""
        every = [y for x in self.stages for y in (*x.exposes, *x.later)]
        unknown = any(x.has_variable for x in stage.exposes)
        return not unknown and not any(port in x.ports for x in every)

    def pointed_at(self, container: Container) -> Container:
        """Return the container with the Dockerfile's line in each fix that is made there."""
        verdict, image = container.verdict, container.image
        of_image = image.documented, (*image.entrypoint, *image.command)
        if isinstance(verdict, ObservationError):
            return container

        if not self._may_be_of(*of_image):
            exposed = self.stages[-1].ports
            what = f"exposes {exposed}" if exposed else "runs another command"
            note = f"{printable(self.path)} {what}, and {image} does not: is it another image's?"
            return replace(container, notes=(*container.notes, note))

        def pointed(finding: Finding) -> Finding:
            if not re.search("EXPOSE|Dockerfile", finding.fix):
                return finding
            line = self.line_of(finding.port, *of_image, image.history)
            place = f"{printable(self.path)}:{line}"
            fix = finding.fix
            stage = self._stage(*of_image)
            exposes = stage.exposes
            if finding.port in stage.ports - image.documented:
                place += " has it: build the image anew"
                if not any(finding.port in x.ports for x in exposes if not x.has_variable):
                    place += ", without an argument that changes it"
            old = re.search(_OF_DOCUMENTED, fix)
            if old is not None and self._lacks(finding.port, stage):
                unless = "" if stage.base == "scratch" else f", unless {stage.base} exposes it"
                anew = f"build the image anew: {printable(self.path)} has no EXPOSE {finding.port}"
                return replace(finding, fix=fix.replace(old[0], f"{anew}{printable(unless)}"))
            # A stage of this file that its own begins from can be mended.
            if fix.startswith(INHERITED) and any(finding.port in x.ports for x in exposes):
                serve = fix.removeprefix(f"{INHERITED}: ").partition(", or ")[0]
                fix = f"{serve}, or remove EXPOSE {finding.port} from its Dockerfile"
            made, other, rest = fix.partition("; or, if ")
            if "EXPOSE" in rest:
                made, other, rest = fix, "", ""
            return replace(finding, fix=f"{made} ({place}){other}{rest}")

        return replace(container, verdict=tuple(map(pointed, verdict)))
