"""The lines of a Dockerfile at which findings can be fixed: EXPOSE, or the last FROM."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import field, replace
from pathlib import Path

from pytest_exposed.errors import ConfigurationError, ObservationError
from pytest_exposed.model import Container, Finding, Image
from pytest_exposed.model.ports import Port, Ports
from pytest_exposed.report.instructions import instructions, values_of
from pytest_exposed.report.stages import Stage
from pytest_exposed.rules.advice import IF_INHERITED, INHERITED
from pytest_exposed.text import did_you_mean_file, printable
from pytest_exposed.values import dataclass

_OF_DOCUMENTED = r"remove EXPOSE \S+ from its Dockerfile|write EXPOSE \S+ in its Dockerfile instead"
"""What advice says of a port that is documented in vain."""

_TO_ADD = r"add to its Dockerfile: EXPOSE \S+(?: \([^)]*\))?"
"""What it says of a port that nothing documents."""


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
        candidates = [x for x in self.stages if not x.runs_another(command)]
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

    def _asked(self, container: Container, stage: Stage, command: Sequence[str]) -> Container:
        """Return the container with a note where the file was changed since, or is another's."""
        written = Ports(y for x in stage.exposes if not x.has_variable for y in x.ports)
        new = written - container.image.documented
        if not (new and stage.runs_another(command)):
            return container
        what = f"{printable(self.path)} exposes {new} and runs another command"
        note = f"{what} than {container.image}: build the image anew, or is it another image's?"
        return replace(container, notes=(*container.notes, note))

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

        container = self._asked(container, self._stage(*of_image), of_image[1])
        pointed = (self._pointed(x, image, of_image[1]) for x in verdict)
        return replace(container, verdict=tuple(pointed))

    def _pointed(self, finding: Finding, image: Image, command: Sequence[str]) -> Finding:
        """Return a finding with the line in its fix, if that is made in the file."""
        if not re.search("EXPOSE|Dockerfile", finding.fix):
            return finding
        line = self.line_of(finding.port, image.documented, command, image.history)
        place = f"{printable(self.path)}:{line}"
        fix = finding.fix
        stage = self._stage(image.documented, command)
        exposes = stage.exposes
        if finding.port in stage.ports - image.documented:
            anew = f"build the image anew: {place} has EXPOSE {finding.port}"
            if not any(finding.port in x.ports for x in exposes if not x.has_variable):
                anew += ", which an argument may have changed"
            return replace(finding, fix=re.sub(_TO_ADD, lambda _: anew, fix, count=1))
        old = re.search(_OF_DOCUMENTED, fix)
        if old is not None and self._lacks(finding.port, stage):
            unless = "" if stage.base == "scratch" else f" (if it isn't {stage.base}'s)"
            anew = f"build the image anew: {printable(self.path)} has no EXPOSE {finding.port}"
            return replace(finding, fix=fix.replace(old[0], f"{anew}{printable(unless)}"))
        if any(finding.port in x.ports for x in exposes):
            fix = fix.partition(IF_INHERITED)[0]
        # A stage of this file that its own begins from can be mended.
        if fix.startswith(INHERITED) and any(finding.port in x.ports for x in exposes):
            serve = fix.removeprefix(f"{INHERITED}: ").partition(", or ")[0]
            fix = f"{serve}, or remove EXPOSE {finding.port} from its Dockerfile"
        made, other, rest = fix.partition("; or, if ")
        if "EXPOSE" in rest:
            made, other, rest = fix, "", ""
        return replace(finding, fix=f"{made} ({place}){other}{rest}")
