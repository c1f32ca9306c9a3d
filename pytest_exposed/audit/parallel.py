"""Work on many hosts at a time, in threads that an interrupt does not wait for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Thread


def start(tasks: Sequence[Callable[[], None]], at_once: int) -> list[Future[None]]:
    """Begin tasks, at most so many at a time; the end of the process abandons those that run.

    The end of the process, or an interrupt, waits for those of a ThreadPoolExecutor.
    """
    futures: list[Future[None]] = [Future() for _ in tasks]
    left = deque(zip(futures, tasks, strict=True))

    def work() -> None:
        while True:
            try:
                future, task = left.popleft()
            except IndexError:
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
