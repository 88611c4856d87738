"""Compute threads: how many there are, and running one task on each with BLAS held to a single thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from queue import SimpleQueue
from typing import Any

from ..common.cores import available_cores
from ..common.errors import ParameterError

Task = Callable[[], None]


def thread_count() -> int:
    """Compute threads of this process: OMP_NUM_THREADS if set (`launch` sets it to this worker's share), else cores."""
    text = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if not text:
        return available_cores()
    if not text.isdigit() or int(text) < 1:
        raise ParameterError("OMP_NUM_THREADS", expected="a whole number of at least 1", got=repr(text))
    return int(text)


class ComputeThreads:
    """`size` lanes that run tasks side by side; the caller is the first lane, so one lane needs no thread at all.

    Thread safe, and usable again after a task has raised.
    """

    def __init__(self, size: int) -> None:
        from threadpoolctl import ThreadpoolController

        self._blas = ThreadpoolController()
        self._lanes: list[SimpleQueue[tuple[Task, SimpleQueue[BaseException | None]]]] = []
        self._lock = threading.Lock()
        for number in range(1, size):
            lane: SimpleQueue[Any] = SimpleQueue()
            threading.Thread(target=_serve, args=(lane,), name=f"pushgrad-compute-{number}", daemon=True).start()
            self._lanes.append(lane)

    def run(self, tasks: Sequence[Task]) -> None:
        """Run at most `size` tasks at once and return when all have ended; raises the first error among them."""
        with self._lock, self._blas.limit(limits=1, user_api="blas"):
            results: list[SimpleQueue[BaseException | None]] = []
            for lane, task in zip(self._lanes, tasks[1:], strict=False):
                results.append(SimpleQueue())
                lane.put((task, results[-1]))
            errors = [_attempt(tasks[0])] + [result.get() for result in results]
        for error in errors:
            if error is not None:
                raise error


@lru_cache(maxsize=8)
def shared_threads(size: int) -> ComputeThreads:
    """The process's compute threads for that number of lanes; executors share them."""
    return ComputeThreads(size)


if hasattr(os, "register_at_fork"):  # a forked child has the queues but not the threads behind them
    os.register_at_fork(after_in_child=shared_threads.cache_clear)


def _serve(lane: SimpleQueue[tuple[Task, SimpleQueue[BaseException | None]]]) -> None:
    while True:
        task, result = lane.get()
        result.put(_attempt(task))
        del task, result


def _attempt(task: Task) -> BaseException | None:
    try:
        task()
    except BaseException as error:  # handed to the caller of run(), who raises it
        return error
    return None
