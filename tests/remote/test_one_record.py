"""What is wrong with one container's image or inspection is that container's trouble alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_exposed import Engine, ObservationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from remote.relay import Relay
    from stage import Stage, Staged


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


@pytest.fixture
def two(stage: Stage) -> tuple[Staged, Staged]:
    """Two containers that match their images, which differ."""
    fine = stage.run("tcp:0.0.0.0:80", name="fine", exposes=("80",))
    return fine, stage.run("tcp:0.0.0.0:81", name="odd", exposes=("81",))


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_image(
    answer: bytes,
    two: tuple[Staged, Staged],
    stage: Stage,
    relay: Relay,
    run_pytest: Callable[..., pytest.RunResult],
) -> None:
    fine, odd = two
    odd.sdk.reload()
    path = f"/images/{odd.sdk.attrs['Image']}/json"
    relay.meddle = lambda line: relay.answer(answer) if line.endswith(path) else None
    with Engine(relay.url) as engine:
        assert engine.container(fine.name).findings == ()
        with pytest.raises(ObservationError, match=r"what \S+ documents is unknown"):
            engine.container(odd.name)
    result = run_pytest("--docker-host", relay.url, f"--exposed-filter={stage.filter}", "-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines_random(
        [f"exposed::{fine.name} PASSED*", f"exposed::{odd.name} FAILED*"]
    )


@pytest.mark.parametrize("answer", ["broken", "refused", "forbidden", "no object"])
def test_an_inspection(
    answer: str, stage: Stage, relay: Relay, run_pytest: Callable[..., pytest.RunResult]
) -> None:
    """That of a container in an internal network, where the list tells no ports."""
    network = stage.network(internal=True).name
    fine = stage.run("tcp:0.0.0.0:80", name="fine", exposes=("80",), network=network)
    odd = stage.run("tcp:0.0.0.0:81", name="odd", exposes=("81",), network=network)
    path = f"/containers/{odd.id}/json"
    refused = relay.answer(ANSWERS[answer])
    relay.meddle = lambda line: refused if line.endswith(path) else None
    result = run_pytest("--docker-host", relay.url, f"--exposed-filter={stage.filter}", "-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines_random(
        [f"exposed::{fine.name} PASSED*", f"{odd.name} can't be inspected: *"]
    )
