"""Settling: what is waited for in a young container, and until when."""

from __future__ import annotations

from typing import Any

import pytest
from make import container, listener, publication

from pytest_exposed.errors import GoneError, ObservationError, PublicationsUnknownError
from pytest_exposed.model import CommandOverride, Container, Finding
from pytest_exposed.model.ports import Port
from pytest_exposed.report.text import failure_text
from pytest_exposed.rules import RULES
from pytest_exposed.rules.judge import findings
from pytest_exposed.rules.selection import select
from pytest_exposed.rules.settling import Stillness, is_final, may_mend

DEFAULT = select()
STATIC = ["published-everywhere", "published-privileged", "host-network"]


def judged(*listeners: Any, **rest: Any) -> Container:
    one = container(*listeners, **rest)
    return container(*listeners, **rest, verdict=findings(one, DEFAULT))


def broken(*names: str, **rest: Any) -> Container:
    verdict = tuple(Finding(x, Port(80), "", "") for x in names)
    return container(verdict=verdict, **rest)


def test_which_rules_judge_by_who_listens() -> None:
    assert [x.name for x in RULES.values() if not x.by_listeners] == STATIC


@pytest.mark.parametrize(
    ("answer", "rules", "final"),
    [
        (judged(), DEFAULT, False),
        (judged(documented=[80]), DEFAULT, False),
        (judged(), select(STATIC), True),
        (judged(), select([*STATIC, "ssh"]), False),
        (judged(state="paused"), DEFAULT, True),
        (GoneError("it went"), DEFAULT, True),
        (ObservationError("unseen"), DEFAULT, False),
        (ObservationError("unseen"), select(STATIC), False),
        (container(verdict=PublicationsUnknownError("nobody tells")), DEFAULT, True),
        (container(verdict=ObservationError("whose")), DEFAULT, False),
    ],
)
def test_what_no_further_look_changes(
    answer: Container | ObservationError, rules: Any, final: bool
) -> None:
    assert is_final(answer, rules) is final


@pytest.mark.parametrize(
    ("answer", "mends"),
    [
        (judged(), False),
        (judged(documented=[80]), True),
        (judged(listener(80)), True),  # it may be closed again, as what sets a server up is
        (judged(published=[publication(80)]), True),
        (judged(listener(80), published=[publication(80)]), False),
        (judged(listener(80), published=[publication(80)], neighbours=(container(),)), True),
        (
            judged(published=[publication(80)], neighbours=(container(listener(80)),)),
            False,
        ),
        (broken("published-everywhere"), False),
        (broken("published-everywhere", "silent"), True),
        (container(verdict=(Finding("silent", Port(80), "", "", waived="why"),)), False),
        (ObservationError("unseen"), True),
        (container(verdict=ObservationError("whose")), True),
    ],
)
def test_what_a_service_that_starts_may_mend(
    answer: Container | ObservationError, mends: bool
) -> None:
    assert may_mend(answer, select(["all"])) is mends


def looked(*looks: tuple[float, Container | ObservationError]) -> Stillness:
    stillness = Stillness()
    for at, answer in looks:
        stillness.note(answer, at)
    return stillness


ONE, TWO = container(listener(80)), container(listener(80), listener(81))
CLIENT = container(listener(80), listener("40000/udp", kind="ephemeral"))


@pytest.mark.parametrize(
    ("looks", "at", "settled"),
    [
        ([(0, ONE)], 0, False),
        ([(0, ONE), (1.9, ONE)], 1.9, False),
        ([(0, ONE), (2, ONE)], 2, True),
        ([(0, ONE), (1, TWO), (2, TWO)], 2, False),
        ([(0, ONE), (1, TWO), (3, TWO)], 3, True),
        ([(0, ONE), (1, TWO), (2, ONE), (3, ONE)], 3, False),
        # A client's socket changes nothing, and no listener at all never settles.
        ([(0, ONE), (1, CLIENT), (2, ONE)], 2, True),
        ([(0, container()), (60, container())], 60, False),
        ([(0, container()), (1, CLIENT), (2.5, CLIENT)], 2.5, False),
        ([(0, container(listener("40000/udp", kind="ephemeral")))], 60, False),
        # What could not be seen is not the same as before.
        ([(0, ONE), (1, ObservationError("unseen")), (2, ONE)], 2, False),
        ([(0, ObservationError("unseen")), (9, ObservationError("unseen"))], 9, False),
    ],
)
def test_listeners_settle_by_staying(
    looks: list[tuple[float, Container | ObservationError]], at: float, settled: bool
) -> None:
    assert looked(*looks).has_settled(at) is settled


@pytest.mark.parametrize("published", [(), [publication(80)]])
def test_what_is_silent_in_a_container_that_has_just_started_says_so(published: Any) -> None:
    for young in (True, False):
        one = container(documented=[80], published=published, just_started=young)
        text = failure_text(one, findings(one, DEFAULT))
        assert (f"; {one} has been up for less than a minute\n" in text) is young
    heard = container(listener(81), just_started=True)
    assert "minute" not in failure_text(heard, findings(heard, DEFAULT))
    runs = CommandOverride("sleep instead of its image's httpd", None)
    other = container(documented=[80], just_started=True, substitute=runs)
    assert "minute" not in failure_text(other, findings(other, DEFAULT))
