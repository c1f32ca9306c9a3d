"""Connections between calls: what is used again, and what ends in the moment in which it is."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_exposed import Engine, EngineError, NotFoundError

if TYPE_CHECKING:
    import socket

    from remote.relay import Relay


def closes(_: socket.socket) -> None:
    """Meddle: nothing is answered, and the connection ends."""


def test_one_connection_is_enough_for_call_after_call(relay: Relay) -> None:
    with Engine(relay.url) as engine:
        for _ in range(3):
            engine.observer.running()
            with pytest.raises(NotFoundError):
                engine.image("no-such-image")
    assert len(relay.requests) > 6
    assert relay.accepted == 1


REDIRECT = b"HTTP/1.1 307 Away\r\nLocation: /elsewhere\r\nContent-Length: 2\r\n\r\n[]"
CUT_SHORT = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[]"


@pytest.mark.parametrize("text", [REDIRECT, CUT_SHORT])
def test_one_whose_answer_was_not_read_is_not_used_again(text: bytes, relay: Relay) -> None:
    with Engine(relay.url, timeout=2) as engine:
        relay.meddle = lambda _: relay.answer_and_hold(text)
        with pytest.raises(EngineError, match=r"redirect|no answer in time"):
            engine.observer.running()
        relay.meddle = lambda _: None
        assert relay.accepted == 1
        engine.observer.running()
        assert relay.accepted == 2


def test_what_changes_nothing_is_asked_again(relay: Relay) -> None:
    ended: list[str] = []

    def once(line: str) -> object:
        if "/containers/json" not in line or ended:
            return None
        ended.append(line)
        return closes

    with Engine(relay.url) as engine:
        relay.meddle = once  # type: ignore[assignment]  # a Meddle or None
        engine.observer.running()
    assert len([x for x in relay.requests if "/containers/json" in x]) == 2


def test_on_a_new_connection_it_is_an_error(relay: Relay) -> None:
    with Engine(relay.url) as engine:
        relay.meddle = lambda x: closes if "/containers/json" in x else None
        with pytest.raises(EngineError, match="the connection was closed without an answer"):
            engine.observer.running()
    assert len([x for x in relay.requests if "/containers/json" in x]) == 2


def test_what_creates_something_is_asked_once(relay: Relay) -> None:
    with Engine(relay.url) as engine:
        relay.meddle = lambda x: closes if x.startswith("POST") else None
        api = engine.observer._api
        with pytest.raises(EngineError):
            api.json_object("POST", "/containers/create", body={"Image": "nosuch"})
    assert len([x for x in relay.requests if x.startswith("POST")]) == 1


INTERRUPTED = """
import random, signal, sys
from pytest_exposed import Engine

class Alarm(BaseException):
    pass

def ring(*_):
    raise Alarm

signal.signal(signal.SIGALRM, ring)
engine = Engine(sys.argv[1], timeout=5)
for _ in range(400):
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0001, 0.004))
        for _ in range(20):
            engine.observer.running()
    except BaseException:
        pass
signal.signal(signal.SIGALRM, signal.SIG_IGN)
engine.observer.running()
print("answered")
"""


def test_an_exception_of_a_signal_handler_leaves_nothing_locked(engine_url: str) -> None:
    """As pytest-timeout raises one: the next test's call must not wait for ever."""
    # In a process of its own: pytest fails for exceptions that end in a finalizer.
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, engine_url],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "answered\n"
