"""What is wrong with one container's image or inspection is that container's trouble alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from stage import Stage

from pytest_exposed import Engine, ObservationError

if TYPE_CHECKING:
    from remote.relay import Relay
    from stage import Images, Staged


def answered(status: str, body: str) -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


ANSWERS = {
    "missing": answered("404 Not Found", '{"message": "no such image"}'),
    "broken": answered("500 Internal Server Error", '{"message": "invalid reference format"}'),
    "refused": answered("400 Bad Request", '{"message": "bad parameter"}'),
    "forbidden": answered("403 Forbidden", '{"message": "not for you"}'),
    "without configuration": answered("200 OK", '{"Id": "sha256:1", "Config": null}'),
    "no object": answered("200 OK", "[]"),
}


@dataclass(frozen=True)
class Two:
    """Two containers that match their images, which differ."""

    fine: Staged
    odd: Staged
    filter: str


@contextmanager
def two_containers(images: Images, *, internal: bool) -> Iterator[Two]:
    with Stage(images) as stage:
        network = stage.network(internal=True).name if internal else None
        fine, odd = (
            stage.run(f"tcp:0.0.0.0:{port}", name=name, exposes=(port,), network=network)
            for name, port in (("fine", "80"), ("odd", "81"))
        )
        yield Two(fine, odd, stage.filter)


@pytest.fixture(scope="module")
def two(images: Images) -> Iterator[Two]:
    with two_containers(images, internal=False) as two:
        yield two


@pytest.fixture(scope="module")
def two_inside(images: Images) -> Iterator[Two]:
    """The same in an internal network, where the list tells no ports."""
    with two_containers(images, internal=True) as two:
        yield two


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_image(
    answer: bytes, two: Two, relay: Relay, run_pytest: Callable[..., pytest.RunResult]
) -> None:
    fine, odd = two.fine, two.odd
    odd.sdk.reload()
    path = f"/images/{odd.sdk.attrs['Image']}/json"
    relay.meddle = lambda line: relay.answer(answer) if line.endswith(path) else None
    with Engine(relay.url) as engine:
        assert engine.container(fine.name).findings == ()
        with pytest.raises(ObservationError, match=r"what \S+ documents is unknown"):
            engine.container(odd.name)
    result = run_pytest("--docker-host", relay.url, f"--exposed-filter={two.filter}", "-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines_random(
        [f"exposed::{fine.name} PASSED*", f"exposed::{odd.name} FAILED*"]
    )


@pytest.mark.parametrize("answer", ["broken", "refused", "forbidden", "no object"])
def test_an_inspection(
    answer: str, two_inside: Two, relay: Relay, run_pytest: Callable[..., pytest.RunResult]
) -> None:
    fine, odd = two_inside.fine, two_inside.odd
    path = f"/containers/{odd.id}/json"
    refused = relay.answer(ANSWERS[answer])
    relay.meddle = lambda line: refused if line.endswith(path) else None
    result = run_pytest("--docker-host", relay.url, f"--exposed-filter={two_inside.filter}", "-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines_random(
        [f"exposed::{fine.name} PASSED*", f"{odd.name} can't be inspected: *"]
    )
