"""What an audit by netlink asks of an engine: its list, each image once, what these leave out."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from abuse.lies import says, whole

from pytest_exposed import Engine, ObservationError

if TYPE_CHECKING:
    from remote.relay import Relay
    from stage import Stage

_ID = re.compile(r"[0-9a-f]{64}")


def asked(relay: Relay, stage: Stage) -> Counter[str]:
    """Return the calls of one look at the containers of a stage, by how often they were made."""
    with Engine(relay.url, source="netlink") as engine:
        everyone = engine.observer.running()
        ids = engine.observer.ids({"label": [stage.label]})
        chosen = [x for x in everyone if x.id in ids]
        relay.requests.clear()
        answers = engine.observer.observe(chosen, everyone)
    assert [x for x in answers.values() if isinstance(x, Exception)] == []
    return Counter(_ID.sub("ID", re.sub(r"/v[0-9.]+(?=/)|[?].*", "", x)) for x in relay.requests)


IMAGE = "GET /images/sha256:ID/json"
NETWORKS = "GET /networks"
INSPECT = "GET /containers/ID/json"


def test_each_image_once_and_nothing_else(relay: Relay, stage: Stage) -> None:
    for number in range(4):
        exposes = ("80",) if number % 2 else ("80", "53/udp")
        stage.run("tcp:0.0.0.0:80", "udp:0.0.0.0:53", name=f"c{number}", exposes=exposes)
    assert asked(relay, stage) == {IMAGE: 2}


def test_networks_once_where_the_list_may_leave_ports_out(relay: Relay, stage: Stage) -> None:
    network = stage.network().name
    for number in range(3):
        stage.run("tcp:0.0.0.0:80", name=f"c{number}", network=network)
    assert asked(relay, stage) == {IMAGE: 1, NETWORKS: 1}
    stage.run("tcp:0.0.0.0:80", name="inside", network=stage.network(internal=True).name)
    assert asked(relay, stage) == {IMAGE: 1, NETWORKS: 1, INSPECT: 1}


def test_one_that_holds_no_socket_is_inspected(relay: Relay, stage: Stage) -> None:
    """Its sockets might be in a kernel of its own: only the engine knows its runtime."""
    for number in range(3):
        stage.run(name=f"c{number}")
    assert asked(relay, stage) == {IMAGE: 1, INSPECT: 3}


def test_an_image_that_the_engine_does_not_find_is_said(relay: Relay, stage: Stage) -> None:
    """As stores of podman and containerd may where an image has lost its name."""
    container = stage.run("tcp:0.0.0.0:80", exposes=("80",))
    missing = says(whole(b'{"message": "No such image"}', b"404 Not Found"))
    relay.meddle = lambda line: missing if "/images/" in line else None
    with (
        Engine(relay.url) as engine,
        pytest.raises(ObservationError, match="the engine has no image sha256:"),
    ):
        engine.container(container.name)
