"""A clock, pauses and threads that are the system's, whatever a test has put in their place."""

from __future__ import annotations

import threading
import time
from datetime import date, datetime, timedelta, timezone

import freezegun
import pytest
import time_machine

from pytest_exposed import unpatched
from pytest_exposed.errors import ObservationError


def test_a_frozen_clock_is_not_ours() -> None:
    before = unpatched.monotonic()
    with freezegun.freeze_time("2030-01-01"):
        assert time.monotonic() == time.monotonic()
        unpatched.pause(0.01)
        assert unpatched.monotonic() >= before + 0.01


def test_a_pause_is_none_of_a_mocks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: float) -> None:
        raise AssertionError

    monkeypatch.setattr(time, "sleep", refuse)
    before = unpatched.monotonic()
    unpatched.pause(0.02)
    assert unpatched.monotonic() >= before + 0.02


def test_today_is_the_users_whatever_a_test_says() -> None:
    days = {date.today()}  # noqa: DTZ011  # as it is meant
    with freezegun.freeze_time("2001-02-03"):
        found = unpatched.today()
    with time_machine.travel(datetime(2001, 2, 3), tick=False):  # noqa: DTZ001
        assert date.today().year == 2001  # noqa: DTZ011
        again = unpatched.today()
    days.add(date.today())  # noqa: DTZ011  # at midnight
    assert {found, again} <= days


def just_before() -> str:
    """Return the present time, less what the clock of ctime (CLOCK_REALTIME_COARSE) is behind."""
    return f"{datetime.now(timezone.utc) - timedelta(milliseconds=100):%FT%TZ}"


def test_now_is_utc_whatever_a_test_says() -> None:
    found = []
    before = just_before()
    with freezegun.freeze_time("2001-02-03"):
        found.append(unpatched.now())
    with time_machine.travel(datetime(2001, 2, 3), tick=False):  # noqa: DTZ001
        found.append(unpatched.now())
    after = f"{datetime.now(timezone.utc):%FT%TZ}"
    assert before <= found[0] <= found[1] <= after


@pytest.mark.parametrize("zone", ["UTC0", "Asia/Kathmandu", "America/St_Johns"])
def test_now_is_utc_in_every_time_zone(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        before, found = just_before(), unpatched.now()
        assert before <= found <= f"{datetime.now(timezone.utc):%FT%TZ}"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_thread_is_the_kernels() -> None:
    assert unpatched.in_kernel_thread(threading.get_native_id) != threading.get_native_id()


def test_what_a_thread_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        unpatched.in_kernel_thread(lambda: 1 // 0)


def test_a_thread_that_is_none_does_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    monkeypatch.setattr(unpatched._thread, "start_new_thread", lambda work, _: work())
    with pytest.raises(ObservationError, match="replaced Python's threads"):
        unpatched.in_kernel_thread(lambda: done.append(1))
    assert not done


@pytest.mark.parametrize("at_once", [1, 3, 50])
def test_side_by_side(at_once: int) -> None:
    tasks = [lambda x=x: x * x for x in range(20)]  # type: ignore[misc]
    assert unpatched.side_by_side(tasks, at_once) == [x * x for x in range(20)]
    assert unpatched.side_by_side([], at_once) == []
    with pytest.raises(ZeroDivisionError):
        unpatched.side_by_side([*tasks, lambda: 1 // 0], at_once)


def test_side_by_side_without_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(unpatched._thread, "start_new_thread", refuse)
    assert unpatched.side_by_side([lambda: 1, lambda: 2], 2) == [1, 2]
