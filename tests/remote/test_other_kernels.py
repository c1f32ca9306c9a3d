"""Containers whose kernel is not the engine's, as of gVisor and Kata: that one shows no socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from abuse.lies import says, whole
from remote.common import listener_with_cat

from pytest_exposed import Engine, ObservationError

if TYPE_CHECKING:
    from remote.relay import Relay
    from stage import Images, Stage, Staged

Runs = Callable[..., "Staged"]

ROW = (
    "   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1"
)
CLAIMS_80 = f"""/bin/busybox cat "$@" | /bin/busybox sed '1a\\{ROW}'"""
"""A cat whose tables have a listener that the engine's kernel does not know."""


@pytest.fixture
def runs(relay: Relay, stage: Stage) -> Runs:
    """Run an idle container that the engine says has another runtime; of it, and by default."""

    def run(runtime: str, image: str | None = None, default: str = "runc") -> Staged:
        container = stage.run(image=image)
        api = stage.client.api
        record = api.inspect_container(container.id)
        record["HostConfig"]["Runtime"] = runtime
        info = api.info() | {"DefaultRuntime": default, "SystemTime": None}
        answers = {f"/containers/{container.id}/json": record, "/info": info}
        lies = {path: says(whole(json.dumps(x).encode())) for path, x in answers.items()}
        relay.meddle = lambda line: next((x for path, x in lies.items() if path in line), None)
        return container

    return run


@pytest.mark.parametrize(
    ("runtime", "default"), [("runsc", "runc"), ("io.containerd.kata.v2", "runc"), ("oci", "krun")]
)
class TestAnother:
    def test_its_own_word_is_taken(
        self, runtime: str, default: str, runs: Runs, relay: Relay, images: Images
    ) -> None:
        container = runs(runtime, listener_with_cat(images, CLAIMS_80), default)
        with Engine(relay.url) as engine:
            found = engine.container(container.name)
        assert (found.source, found.listening) == ("exec", {"80/tcp"})

    def test_without_one_nothing_is_known(
        self, runtime: str, default: str, runs: Runs, relay: Relay
    ) -> None:
        container = runs(runtime, default=default)
        with Engine(relay.url) as engine, pytest.raises(ObservationError, match="there is no cat"):
            engine.container(container.name)


@pytest.mark.parametrize(
    ("runtime", "default"), [("runc", "runsc"), ("crun", "runc"), ("oci", "crun"), ("", "runc")]
)
def test_the_engine_s_kernel_shows_that_nothing_listens(
    runtime: str, default: str, runs: Runs, relay: Relay, images: Images
) -> None:
    container = runs(runtime, listener_with_cat(images, CLAIMS_80), default)
    with Engine(relay.url) as engine:
        found = engine.container(container.name)
    assert (found.source, found.listeners) == ("netlink", ())
