"""A connection that was at rest, and ends in the moment in which it is used again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_exposed import Engine, EngineError

if TYPE_CHECKING:
    import socket

    from remote.relay import Relay


def closes(_: socket.socket) -> None:
    """Meddle: nothing is answered, and the connection ends."""


def test_what_changes_nothing_is_asked_again(relay: Relay) -> None:
    ended: list[str] = []

    def once(line: str) -> object:
        if "/containers/json" not in line or ended:
            return None
        ended.append(line)
        return closes

    with Engine(relay.url) as engine:
        relay.meddle = once  # type: ignore[assignment]  # a Meddle or None
        engine.running()
    assert len([x for x in relay.requests if "/containers/json" in x]) == 2


def test_on_a_new_connection_it_is_an_error(relay: Relay) -> None:
    with Engine(relay.url) as engine:
        relay.meddle = lambda x: closes if "/containers/json" in x else None
        with pytest.raises(EngineError, match="the connection was closed without an answer"):
            engine.running()
    assert len([x for x in relay.requests if "/containers/json" in x]) == 2


def test_what_creates_something_is_asked_once(relay: Relay) -> None:
    with Engine(relay.url) as engine:
        relay.meddle = lambda x: closes if x.startswith("POST") else None
        api = engine._api
        with pytest.raises(EngineError):
            api.object("POST /containers/create", lambda: api.client.create_container("nosuch"))
    assert len([x for x in relay.requests if x.startswith("POST")]) == 1
