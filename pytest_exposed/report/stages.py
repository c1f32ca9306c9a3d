"""The stages of a Dockerfile: what each exposes and runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace

from pytest_exposed.model.ports import Port, Ports
from pytest_exposed.report.instructions import (
    VARIABLE,
    command_of,
    expanded,
    ports_of,
    values_of,
)
from pytest_exposed.rules.layers import exposed
from pytest_exposed.values import dataclass

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
    has_command: bool = False
    """Whether this stage has a CMD of its own, which an ENTRYPOINT below leaves as it is."""
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
            has_command=False,
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
            self.command, self.has_command = command_of(words, self.shell), True
        elif instruction == "ENTRYPOINT":
            self.entrypoint = command_of(words, self.shell)
            self.command = self.command if self.has_command else ()

    def runs(self, command: Sequence[str]) -> bool:
        """Return whether this is what an image runs, its entrypoint and command."""
        # The classic builder keeps the blanks of a line, and those of lines that go on.
        own = [" ".join(x.split()) for x in self.own_command]
        return bool(own) and [" ".join(x.split()) for x in command[-len(own) :]] == own

    def runs_another(self, command: Sequence[str]) -> bool:
        """Return whether it is known to run another command than an image."""
        return bool(command and self.own_command) and not self.runs(command)

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
