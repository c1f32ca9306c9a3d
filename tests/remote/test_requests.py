"""What an audit asks of an engine: as much for many containers as for a few."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from stage import Stage

from pytest_exposed import Engine

if TYPE_CHECKING:
    from remote.relay import Relay
    from stage import Images, Staged


def asked(relay: Relay) -> list[str]:
    """Return the paths that were asked for since the last time, without versions and queries."""
    lines = [re.sub(r"^GET (/v[0-9.]+)?|\?.*", "", x) for x in relay.requests]
    relay.requests.clear()
    return lines


@pytest.fixture(params=[1, 4], scope="module")
def crowd(request: pytest.FixtureRequest, images: Images) -> Iterator[tuple[Stage, list[Staged]]]:
    """Containers of two images, the parameter times: one that matches, and one that doesn't."""
    with Stage(images) as stage:
        yield (
            stage,
            [
                stage.run("tcp:0.0.0.0:80", name=f"{number}-{'-'.join(exposes)}", exposes=exposes)
                for number in range(request.param)
                for exposes in (("80",), ("80", "81"))
            ],
        )


@pytest.fixture(autouse=True)
def _fresh_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_exposed.audit.host._FRESH", 60)  # on a slow machine, too


def test_an_audit_asks_for_three_lists_and_each_image(
    crowd: tuple[Stage, list[Staged]],
    relay: Relay,
    images: Images,
    run_pytest: Callable[..., pytest.RunResult],
) -> None:
    stage, containers = crowd
    result = run_pytest("--docker-host", relay.url, "--exposed-filter", stage.filter)
    result.assert_outcomes(passed=len(containers) // 2, failed=len(containers) // 2)
    fine, silent = (images.client.images.get(x.image).id for x in containers[:2])
    everyone, chosen, stopped = ["/containers/json"] * 3
    # Not what each one runs: that it is its image's command, which is silent, is in the list.
    # Where other tests' helpers are there just now, they are listed, and the engine's clock asked.
    requests = [x for x in asked(relay) if x != "/info"]
    if requests[-2:] == ["/containers/json"] * 2:
        requests.pop()
    assert requests == [
        "/_ping",
        everyone,
        chosen,
        stopped,
        f"/images/{fine}/json",
        f"/images/{silent}/json",
        f"/images/{silent}/history",  # for the line of the Dockerfile that a finding names
        "/containers/json",  # what killed runs left, at the end
    ]


def test_a_second_look_asks_for_no_image_again(
    crowd: tuple[Stage, list[Staged]], relay: Relay
) -> None:
    ids = {x.id for x in crowd[1]}
    with Engine(relay.url) as engine:
        for _ in range(2):
            asked(relay)
            everyone = engine.observer.running()
            answers = engine.observer.observe([x for x in everyone if x.id in ids], everyone)
            assert answers.keys() == ids
        assert asked(relay) == ["/containers/json"]


@pytest.mark.parametrize(
    "answer",
    [
        b"403 Forbidden\r\n",  # a proxy that lets some calls pass
        b"200 OK\r\n",
        b"200 OK\r\nApi-Version:\r\n",
        b"200 OK\r\nApi-Version: 1.2\r\n",  # older than any that the SDK knows
        b"200 OK\r\nApi-Version: 2.0\r\n",
        b"200 OK\r\nApi-Version: 1.41/../../v1.40\r\n",
    ],
)
def test_an_engine_whose_ping_tells_no_version_is_asked_for_it(answer: bytes, relay: Relay) -> None:
    ping = relay.answer(b"HTTP/1.1 " + answer + b"Content-Length: 2\r\n\r\nOK")
    relay.meddle = lambda line: ping if "/_ping" in line else None
    with Engine(relay.url) as engine:
        engine.observer.running()
    assert asked(relay) == ["/_ping", "/version", "/containers/json"]
