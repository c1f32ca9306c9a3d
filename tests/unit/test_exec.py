"""`cat` runs in several containers at a time: as many as may, and in no other order."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from make import DATA, target

from pytest_exposed.errors import EngineError, ObservationError
from pytest_exposed.sockets import exec as exec_
from pytest_exposed.sockets.reading import SocketSnapshot
from pytest_exposed.sockets.source import Shared

IDS = [f"{x:064x}" for x in range(8)]


class FarAway:
    """An engine whose commands wait for each other."""

    byteorder = "little"

    def about(self, name: str) -> str:
        return {"CgroupDriver": "cgroupfs"}.get(name, "")

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failures: dict[str, Exception] = {}
        self.together = threading.Barrier(exec_._AT_ONCE)

    def run_helper(self, script: str, arguments: Sequence[str], end: bytes) -> bytes:  # noqa: ARG002  # of Remote
        raise AssertionError("exec starts no helper")

    def execute(self, container: str, command: Sequence[str]) -> bytes:
        assert tuple(command) == exec_.COMMAND
        self.asked.append(container)
        self.together.wait(20)
        if container in self.failures:
            raise self.failures[container]
        return DATA.joinpath("exec").read_bytes()


def test_several_at_a_time_in_the_order_that_was_asked_for() -> None:
    engine = FarAway()
    engine.failures = {IDS[1]: ObservationError("there is no cat in the image")}
    answers = exec_.observe([target(x) for x in IDS], Shared(IDS, engine))
    assert list(answers) == IDS
    assert [k for k, x in answers.items() if not isinstance(x, SocketSnapshot)] == [IDS[1]]


def test_when_the_engine_is_lost_nothing_more_begins_and_nothing_is_waited_for() -> None:
    class Lasting(FarAway):
        def execute(self, container: str, command: Sequence[str]) -> bytes:
            text = super().execute(container, command)
            ended.wait(20)
            return text

    engine, ended = Lasting(), threading.Event()
    engine.failures = {IDS[0]: EngineError("nothing answers there")}
    try:
        with pytest.raises(EngineError):
            exec_.observe([target(x) for x in IDS], Shared(IDS, engine))
        assert not ended.is_set()
        # The thread of the first may have taken the next before the others were called off.
        assert len(engine.asked) <= exec_._AT_ONCE + 1
    finally:
        engine.together.abort()
        ended.set()
