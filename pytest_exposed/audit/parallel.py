"""Work on many hosts at a time, in which the slow ones keep nobody waiting."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from queue import Empty, SimpleQueue
from threading import Thread


def start(tasks: Sequence[Callable[[], None]], at_once: int) -> list[Future[None]]:
    """Begin tasks, at most so many at a time; what still runs when the process ends is given up.

    Those of a ThreadPoolExecutor are waited for at the process' end, and at an interrupt.
    """
    futures: list[Future[None]] = [Future() for _ in tasks]
    queue: SimpleQueue[tuple[Future[None], Callable[[], None]]] = SimpleQueue()
    for both in zip(futures, tasks, strict=True):
        queue.put(both)

    def work() -> None:
        while True:
            try:
                future, task = queue.get_nowait()
            except Empty:
                return
            try:
                task()
            except Exception as error:  # noqa: BLE001  # raised again where its result is asked for
                future.set_exception(error)
            else:
                future.set_result(None)

    for _ in range(min(at_once, len(tasks))):
        Thread(target=work, daemon=True).start()
    return futures


def wait_for_most(
    futures: Collection[Future[None]], patience: float | None, enough: Callable[[], bool]
) -> None:
    """Wait until all are done; or, once there is enough, until none has come for some seconds."""
    pending = set(futures)
    while pending:
        seconds = patience if enough() else None
        done, pending = wait(pending, seconds, return_when=FIRST_COMPLETED)
        if not done:
            return
