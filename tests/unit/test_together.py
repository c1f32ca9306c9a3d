"""Work on many hosts at a time."""

from __future__ import annotations

from threading import Barrier, Event, Lock

import pytest

from pytest_exposed.audit import parallel

SECONDS = 20


class TestStart:
    def test_runs_as_many_at_a_time_as_are_asked_for(self) -> None:
        met = Barrier(3)  # which two alone would not get through
        futures = parallel.start([lambda: met.wait(SECONDS) and None] * 3, 3)
        assert [x.result(SECONDS) for x in futures] == [None] * 3

    def test_runs_no_more(self) -> None:
        lock, running, most = Lock(), 0, 0
        go_on = Event()

        def work() -> None:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            go_on.wait(SECONDS)
            with lock:
                running -= 1

        futures = parallel.start([work] * 7, 2)
        go_on.set()
        for future in futures:
            future.result(SECONDS)
        assert most <= 2

    def test_keeps_an_error_for_whoever_asks(self) -> None:
        def fail() -> None:
            raise ValueError("no")

        bad, good = parallel.start([fail, lambda: None], 1)
        with pytest.raises(ValueError, match="no"):
            bad.result(SECONDS)
        assert good.result(SECONDS) is None

    def test_nothing(self) -> None:
        assert parallel.start([], 4) == []
