"""Waivers: lines of the user's configuration that accept findings, and may say why. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import date
from fnmatch import fnmatchcase

from pytest_exposed.errors import ConfigurationError, PortError
from pytest_exposed.model.ports import PROTOCOLS, Port, Ports
from pytest_exposed.rules import RULES
from pytest_exposed.text import did_you_mean, printable
from pytest_exposed.values import dataclass

_FORM = re.compile(
    r"(?P<glob>\S+(?=\s*:\s)|[^\s:]+)\s*:\s*(?P<what>[^#]*?)\s*(?:until\s+(?P<until>\S+)\s*)?"
)

_Found = tuple[Collection[str], str, Port | None]
"""A finding: the names of its container, its rule and port."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\b")
_UNTIL_IN_REASON = re.compile(rf"\buntil:?\s+(?P<day>{_DAY.pattern})", re.IGNORECASE)
"""A last day where it is none."""


@dataclass(frozen=True, slots=True)
class Waiver:
    """One line, `CONTAINER-GLOB: WHAT[, …] [until YYYY-MM-DD] [# reason]`.

    WHAT is a rule, a port or a range, or a rule and a port, `silent 443/udp`.
    """

    line: str
    glob: str
    rules: frozenset[str]
    ports: Ports
    until: date | None
    """The last day on which it accepts anything; None for ever."""
    reason: str
    pairs: frozenset[tuple[str, Port]] = frozenset()
    """Ports that are accepted for one rule each."""

    @classmethod
    def parse(cls, line: str) -> Waiver:
        """Return the waiver of a line; ConfigurationError (a ValueError) names a malformed one."""
        text, _, reason = line.partition("#")
        match = _FORM.fullmatch(text.strip())
        if match is None or not match["what"]:
            raise ConfigurationError(
                f"{line!r} is not a waiver: {_without_colon(text)}write CONTAINER-GLOB: "
                "RULE-OR-PORT, … [until YYYY-MM-DD] [# reason]"
            )
        if match["until"] is None and (late := _UNTIL_IN_REASON.search(reason)):
            raise ConfigurationError(
                f"{line!r} is not a waiver: what is behind # is its reason, so write "
                f"`until {late['day']}` before the #"
            )
        rules: set[str] = set()
        ports = Ports()
        pairs: set[tuple[str, Port]] = set()
        for word in map(str.strip, match["what"].split(",")):
            if word in RULES:
                rules.add(word)
                continue
            rule, _, port = word.partition(" ")
            try:
                if rule in RULES:
                    pairs |= {(rule, x) for x in Ports.parse(port.strip())}
                else:
                    ports |= Ports.parse(word)
            except PortError as error:
                day = _DAY.search(match["what"])
                why = f"write its last day behind all it accepts: until {day[0]}" if day else ""
                why = why or _why_not(word, error)
                raise ConfigurationError(f"{line!r} is not a waiver: {why}") from None
        until = None
        if match["until"] is not None:
            with suppress(ValueError):
                until = date.fromisoformat(match["until"])
            # Python 3.11 reads other forms as well.
            if until is None or match["until"] != until.isoformat():
                raise ConfigurationError(
                    f"{line!r} is not a waiver: {match['until']!r} is not a day (YYYY-MM-DD)"
                )
        return cls(
            line.strip(),
            match["glob"],
            frozenset(rules),
            ports,
            until,
            reason.strip(),
            frozenset(pairs),
        )

    def parts(self) -> list[tuple[str, Waiver]]:
        """Return each rule or port that it names, as it is written, and a waiver of that alone."""
        match = _FORM.fullmatch(self.line.partition("#")[0].strip())
        words = match["what"].split(",") if match else []
        return [(x.strip(), Waiver.parse(f"{self.glob}: {x}")) for x in words]

    @property
    def asks_for(self) -> frozenset[str]:
        """The rules that it names."""
        return self.rules | {x for x, _ in self.pairs}

    def expired(self, today: date) -> bool:
        """Return whether its last day is over."""
        return self.until is not None and today > self.until

    def is_for(self, names: Iterable[str]) -> bool:
        """Return whether it is for a container of these names: its own, and its service's."""
        return any(fnmatchcase(x, self.glob) for x in names)

    def accepts(self, names: Iterable[str], rule: str, port: Port | None, today: date) -> bool:
        """Return whether it accepts a finding of a rule about a port of a container."""
        return (
            not self.expired(today)
            and self.is_for(names)
            and (
                rule in self.rules
                or (port is not None and (port in self.ports or (rule, port) in self.pairs))
            )
        )


def _without_colon(text: str) -> str:
    """Return that a waiver lacks its colon, and where, or its container; empty for other text."""
    glob, _, what = text.strip().partition(" ")
    if glob.rstrip(",") in RULES or (glob[:1].isdecimal() and _is_ports(glob)):
        return "it names no container; "
    if ":" not in text and what and not glob.endswith(","):
        with suppress(ConfigurationError):
            line = Waiver.parse(f"{glob}: {what.strip()}").line
            return f"it lacks a colon, as in `{printable(line)}`; "
    return ""


def _is_ports(word: str) -> bool:
    with suppress(PortError):
        return bool(Ports.parse(word.rstrip(",")))
    return False


def _why_not(word: str, error: PortError) -> str:
    """Return what is wrong with a word that is not a port, as its error says, and not a rule."""
    if not word:
        return "there is a comma too many"
    is_number = word[:1].isdecimal()
    why = str(error) if is_number else no_rule(word)
    rule, colon, port = word.partition(":")
    if colon and rule in RULES and port.strip()[:1].isdecimal():
        return f"{why}; write `{rule} {printable(port.strip())}`"
    if colon:
        return f"{why}; each waiver has a line of its own"
    if ";" in word:
        return f"{why}; a comma separates them"
    port, _, rule = word.partition(" ")
    if rule in RULES and port[:1].isdecimal():
        return f"{why}; write `{rule} {printable(port)}`"
    return f"{why}; a comma separates them, and a reason begins with #" if " " in word else why


def no_rule(word: str) -> str:
    """Return what is wrong with a word that is neither a port nor a rule."""
    near = did_you_mean(word, RULES)
    return f"{word!r} is neither a port nor a rule{near} ({', '.join(RULES)})"


def _misnamed(waiver: Waiver, names: Collection[str]) -> str:
    """Return that no container has the name of a waiver, and the nearest; empty if one has."""
    if waiver.is_for(names) or not names:
        return ""
    parts = [
        x for x in sorted(names) if waiver.glob in (x.rpartition("/")[2], x.rpartition(":")[0])
    ]
    any_tag = parts and parts[0].startswith(f"{waiver.glob}:")  # each build may have its own
    meant = f"{waiver.glob}:*" if any_tag else parts[0] if parts else ""
    near = f": did you mean {meant}?" if meant else did_you_mean(waiver.glob, names)
    return ", as no container is called that" + (f" ({near[2:]})" if near else "")


def _misread(waiver: Waiver, others: Iterable[_Found], today: date) -> str:
    """Return that a waiver means the port of another protocol; empty if that isn't the cause."""
    for names, rule, port in others:
        for x in other_protocols(port):
            if waiver.accepts(names, rule, x, today):
                return f", as it is for {x}, and the finding is on {port}"
    return ""


def other_protocols(port: Port | None) -> list[Port]:
    """Return the ports of the same number under the other protocols."""
    if port is None:
        return []
    return [Port(port.number, x) for x in PROTOCOLS if x != port.protocol]


def reason_for(
    waivers: Iterable[Waiver], names: Collection[str], rule: str, port: Port | None, today: date
) -> str | None:
    """Return the reason of the first waiver that accepts a finding; None where none does.

    It ends with the last day, if there is one.
    """
    for x in waivers:
        if x.accepts(names, rule, port, today):
            return ", ".join(filter(None, (x.reason, f"until {x.until}" if x.until else "")))
    return None


def stale(
    waivers: Sequence[Waiver],
    findings: Iterable[_Found],
    judged: Sequence[Collection[str]],
    *,
    missed: Sequence[Collection[str]] | None,
    others: Collection[_Found] = (),
    known: Collection[str] = (),
    all_asked: bool,
    rules: Collection[str],
    today: date,
) -> list[str]:
    """Return a line for each waiver that has expired, or of which a part accepted no finding.

    findings are names of the container, rule and port of each that is accepted, others of each that
    is not; judged the names of each container that was judged, missed those of the other
    containers, None where these are unknown; known all names that a waiver can be for; all_asked
    whether all were judged that the run was asked for; rules those that were judged by.
    A waiver that could be for a container that was left out is not named, and neither is one for a
    port, whatever the rule, where not all rules judged that do by default.
    """
    found = list(findings)
    by_default = {x.name for x in RULES.values() if "default" in x.groups}

    def asked(waiver: Waiver) -> bool:
        return waiver.asks_for | (by_default if waiver.ports else set()) <= set(rules)

    def looked_at(waiver: Waiver) -> bool:
        if missed is None or any(map(waiver.is_for, missed)):
            return False
        # A tag means an image that a run starts, or a service of a job: another run may have it.
        return (all_asked and ":" not in waiver.glob) or any(map(waiver.is_for, judged))

    lines = []
    for waiver in waivers:
        if waiver.expired(today):
            lines.append(f"waiver expired, its last day was {waiver.until}: {waiver.line}")
        elif looked_at(waiver):
            parts = [(x, part) for x, part in waiver.parts() if asked(part)]
            vain = [x for x, part in parts if not any(part.accepts(*y, today) for y in found)]
            if not vain:
                continue
            if any(waiver.accepts(*x, today) for x in found):
                lines.append(f"waiver not used for {', '.join(vain)}: {waiver.line}")
            elif asked(waiver):
                why = _misnamed(waiver, known) or _misread(waiver, others, today)
                lines.append(f"waiver not used{why}: {waiver.line}")
    return lines
