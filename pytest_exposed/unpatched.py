"""The system's clock, sleep, threads, sockets and files, even if a suite has replaced them.

Suites freeze time.monotonic (freezegun), mock time.sleep, and turn threads into greenlets (gevent,
eventlet). All of them replace attributes of modules; a second copy of a C module has its own.
pyfakefs replaces the system's files.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from functools import cache
from importlib.machinery import BuiltinImporter
from types import ModuleType
from typing import Any, TypeVar

from pytest_exposed.errors import ObservationError

T = TypeVar("T")

system: Any = sys.modules.get("posix", os)
"""The system's calls below os, which eventlet replaces."""

_GREEN = ("gevent", "eventlet")
_YIELD = 0.01
"""Seconds between which other greenlets may run while we wait."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _copy_of(name: str) -> Any:
    """Return a second copy of a built-in module, or the first if there can't be a second.

    It requires multi-phase initialisation (PEP 489), which time and _thread have since CPython 3.9.
    """
    spec = BuiltinImporter.find_spec(name)
    if spec is None:
        return importlib.import_module(name)
    module = importlib.util.module_from_spec(spec)
    BuiltinImporter.exec_module(module)
    return module


_time: Any = _copy_of("time")
_thread: Any = _copy_of("_thread")

monotonic: Callable[[], float] = _time.monotonic
"""Return the seconds of a clock that nothing sets or freezes."""


def pause(seconds: float) -> None:
    """Wait for seconds; under gevent and eventlet, other greenlets run meanwhile."""
    end = monotonic() + seconds
    while (left := end - monotonic()) > 0:
        green = is_green(time.sleep)
        _time.sleep(min(left, _YIELD) if green else left)
        if green:
            # In short steps: eventlet waits by time.monotonic, which may be frozen.
            time.sleep(0)


def _local_time() -> tuple[int, ...]:
    """Return year, month, day, hour, minute and second in this machine's time zone."""
    # Neither freezegun nor time-machine, which changes C functions, replaces ctime. Its format
    # is C's in any locale (_asctime in timemodule.c).
    _, month, day, clock, year = _time.ctime().split()
    return int(year), _MONTHS.index(month) + 1, int(day), *map(int, clock.split(":"))


def today() -> date:
    """Return this machine's date in its time zone."""
    return date(*_local_time()[:3])


def now() -> str:
    """Return the present time in UTC: "2026-03-01T12:00:00Z"."""
    # Suites patch only functions that return the present: not mktime, nor gmtime with seconds.
    utc = _time.gmtime(_time.mktime((*_local_time(), 0, 0, -1)))
    return "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z".format(*utc)


def is_green(thing: object) -> bool:
    """Return whether gevent or eventlet made a function or class."""
    return str(getattr(thing, "__module__", "")).partition(".")[0] in _GREEN


def socket_class() -> type[socket.socket]:
    """Return the class of sockets that block in the system, not in a loop of gevent or eventlet.

    A loop belongs to one thread. Any other replacement is respected: pytest-socket's refuses.
    """
    if not is_green(socket.socket):
        return socket.socket
    found: type[socket.socket] = _socket_module().socket
    return found


@cache
def _socket_module() -> ModuleType:
    """Return a second copy of socket; its class is a thin one around _socket's, in C."""
    spec = importlib.util.find_spec("socket")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


thread_id: Callable[[], int] = _thread.get_ident
"""Return the id of the calling kernel thread."""

new_lock: Callable[[], Any] = _thread.allocate_lock
"""Return a system lock, for use with holding()."""


@contextmanager
def holding(lock: Any) -> Iterator[None]:
    """Hold a lock; if another greenlet of this thread holds it, that one runs meanwhile."""
    while not lock.acquire(False):
        pause(_YIELD)
    try:
        yield
    finally:
        lock.release()


def side_by_side(tasks: Sequence[Callable[[], T]], at_once: int) -> list[T]:
    """Return the results of tasks, which run in at most at_once kernel threads.

    Raises the first error at once; tasks that still run end by themselves.
    """
    left = deque(enumerate(tasks))
    results: dict[int, T] = {}
    failure: list[BaseException] = []
    ended = _thread.allocate_lock()
    ended.acquire()

    def work() -> None:
        while not failure:
            try:
                number, task = left.popleft()
            except IndexError:
                break
            try:
                results[number] = task()
            except BaseException as error:  # noqa: BLE001  # raised again by the caller
                failure.append(error)
        with suppress(RuntimeError):  # another thread has said so
            if failure or len(results) == len(tasks):
                ended.release()

    threads = 0
    with suppress(RuntimeError):  # the system has no more threads
        for _ in range(min(at_once, len(tasks))):
            _thread.start_new_thread(work, ())
            threads += 1
    if not threads:
        work()
    if tasks:
        ended.acquire()
    if failure:
        raise failure[0]
    return [results[x] for x in range(len(tasks))]


def in_kernel_thread(work: Callable[[], T]) -> T:
    """Return the result of work in a new kernel thread, which then ends.

    Raises work's errors, and ObservationError if no thread is available, before work runs.
    """
    here = _thread.get_native_id()
    ended = _thread.allocate_lock()
    ended.acquire()
    result: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            if _thread.get_native_id() == here:
                failure.append(ObservationError("something has replaced Python's threads"))
            else:
                result.append(work())
        except BaseException as error:  # noqa: BLE001  # raised again by the caller
            failure.append(error)
        finally:
            ended.release()

    _thread.start_new_thread(run, ())
    ended.acquire()
    if failure:
        raise failure[0]
    return result[0]


@contextmanager
def real_files() -> Iterator[None]:
    """Use the system's files in a test with pyfakefs, which has no current /proc."""
    module = sys.modules.get("pyfakefs.fake_filesystem_unittest")
    patcher = getattr(getattr(module, "Patcher", None), "PATCHER", None)
    if not getattr(patcher, "is_patching", False):
        yield
        return
    assert patcher is not None
    patcher.pause()
    try:
        yield
    finally:
        patcher.resume()
