"""What a suite asserts by rules: that a container matches its image."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from pytest_exposed.assertions.checks import expect_engine, expect_seconds, of_all_tasks
from pytest_exposed.assertions.result import Check
from pytest_exposed.errors import ConfigurationError, ObservationError, PortError
from pytest_exposed.model import Container, Finding
from pytest_exposed.model.ports import Port, Ports, PortsLike
from pytest_exposed.observation import Engine
from pytest_exposed.observation.grace import settle
from pytest_exposed.observation.observe import DOCUMENTED
from pytest_exposed.rules import RULES, selection
from pytest_exposed.rules.judge import brief
from pytest_exposed.rules.waivers import no_rule, other_protocols
from pytest_exposed.unpatched import monotonic

_LONG = 1.0
"""Seconds of waiting that are told."""


def container_matches_image(
    engine: Engine,
    container: object,
    ignore: str | Iterable[str] = (),
    allow: PortsLike = (),
    *,
    documented: str | None = None,
    grace: float = 0,
) -> Check:
    """Return whether the rules find nothing wrong with a container.

    ignore are rules and groups not to judge by; allow are rules and ports whose findings are
    accepted: "silent", 9000, "8000-8003/udp", "silent 443". documented is whose word counts as
    documentation: "image", or "run" for what the container declares as well; by default the
    engine's. A container younger than grace seconds is looked at again until it matches, and its
    listeners have been the same for 2 seconds.

    Raises ConfigurationError for an unknown rule, and where all that the engine judges by are
    ignored, else as container_listens_on does.
    """
    expect_engine(engine)
    observer = engine.observer
    ignored = _ignored(ignore)
    judged_by = [x for x in observer.rules if x.name not in ignored]
    left_out = [x.name for x in observer.rules if x.name in ignored]
    if not judged_by:
        raise ConfigurationError(
            f"no rule is left to judge by: ignore={ignore!r} leaves out all of "
            f"{', '.join(left_out)}"
        )
    expect_seconds(grace=grace)
    if documented not in (None, *DOCUMENTED):
        raise ConfigurationError(f"documented={documented!r} is neither 'image' nor 'run'")
    at_run = observer.at_run if documented is None else documented == "run"
    accepts = _allowance(allow)
    tasks, everyone = observer.find_tasks(container)
    answers = observer.observe(tasks, everyone, owners=True, rules=judged_by, at_run=at_run)
    checks = []
    for listed in tasks:
        began = monotonic()
        answer = settle(
            observer,
            listed,
            answers[listed.id],
            grace,
            owners=True,
            rules=judged_by,
            at_run=at_run,
            accepts=accepts,
        ).answer
        if isinstance(answer, ObservationError):
            raise answer
        waited = monotonic() - began
        wait = f"; waited {waited:.0f} s (exposed_grace)" if waited >= _LONG else ""
        checks.append(_matches(answer, accepts, left_out, wait))
    return of_all_tasks(checks, tasks)


def _matches(
    container: Container, accepts: Callable[[Finding], bool], left_out: Sequence[str], wait: str
) -> Check:
    """Return whether what was found of a container is accepted.

    left_out are rules that were not asked; wait says how long it was waited for.
    """
    image = "its image" if str(container) == str(container.image) else container.image
    unknown = container.publications_unknown
    known = container.findings if unknown is None or container.verdict is not unknown else ()
    found = [x for x in known if x.fails and not accepts(x)]
    if not found and unknown is not None:
        raise unknown
    if not found:
        without = f", {', '.join(left_out)} ignored" if left_out else ""
        warned = brief(x for x in known if x.warns and not accepts(x))
        warnings = f"; warnings: {warned}" if warned else ""
        return Check(True, f"{container} matches {image}{without}{warnings}", container)
    why = f"{container} does not match {image}: {brief(found)}{_misread(found, accepts)}{wait}"
    return Check(False, why, container, findings=found)


def _misread(found: Iterable[Finding], accepts: Callable[[Finding], bool]) -> str:
    """Return that what is allowed means the port of another protocol; empty if it doesn't."""
    for x in found:
        for other in other_protocols(x.port):
            if accepts(replace(x, port=other, more_ports=())):
                return f"; allow= is for {other}, and this is {x.port}"
    return ""


def _ignored(ignore: object) -> set[str]:
    names = (
        list(ignore) if isinstance(ignore, Iterable) and not isinstance(ignore, str) else [ignore]
    )
    texts = [x for x in names if isinstance(x, str)]
    if len(texts) < len(names):
        raise ConfigurationError(
            f"ignore={ignore!r} names no rules: give a name or a list of names; ports are allowed "
            "with allow="
        )
    return selection.expand(selection.split(texts))


def _allowance(allow: PortsLike) -> Callable[[Finding], bool]:
    if isinstance(allow, (bytes, Mapping)) or not isinstance(allow, (str, int, Port, Iterable)):
        raise PortError(
            f"allow={allow!r} is neither ports nor rules: a rule at a port is 'undocumented 9100'"
        )
    names: set[str] = set()
    pairs: list[tuple[str, Ports]] = []
    forms: list[PortsLike] = []
    for form in _separate([allow] if isinstance(allow, (str, int, Port)) else allow):
        if isinstance(form, str) and "#" in form:
            raise PortError(f"allow={form!r} has a reason: write it as a comment of Python's")
        if isinstance(form, str) and ": " in form:
            what = form.partition(": ")[2].strip()
            raise PortError(f"allow={form!r} names a container, which is given: write {what!r}")
        rule, _, port = form.partition(" ") if isinstance(form, str) else ("", "", "")
        if rule in RULES and not port:
            names.add(rule)
        elif rule in RULES:  # as a waiver has it
            pairs.append((rule, Ports.parse(port.strip())))
        elif isinstance(form, str) and re.fullmatch("[a-z-]+", form):
            raise PortError(no_rule(form))
        elif isinstance(form, str) and rule and port in RULES:
            raise PortError(f"{form!r} is not a port; write '{port} {rule}'")
        else:
            forms.append(form)
    ports = Ports.parse(*forms)
    pairs.extend((x, ports) for x in RULES)
    return lambda x: (
        x.rule in names
        or (x.port is not None and any(x.rule == y and Ports(x.ports) <= z for y, z in pairs))
    )


def _separate(forms: Iterable[PortsLike]) -> Iterator[PortsLike]:
    """Yield forms, those of a text with commas one by one."""
    for form in forms:
        yield from (selection.split(form) or [form]) if isinstance(form, str) else [form]
