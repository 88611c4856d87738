"""Holding BLAS to one thread while compute threads call it: both would fight for the cores otherwise."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_OF_THREAD = "openmp"  # a library of this threading layer has a limit for each thread; the others', one for all


class SingleThreadedBlas:
    """While anybody is inside, on any thread, BLAS computes on the thread that calls it.

    The limit is the process's: the first to come sets it and the last to go lifts it. If each put back what it found,
    the first to go would lift it for those who still compute, and the last would leave it for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._limit: Any = None
        self._controllers: tuple[Any, Any] | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Around a computation."""
        of_thread, of_process = self._found()
        with of_thread.limit(limits=1, user_api="blas"):
            self._come(of_process)
            try:
                yield
            finally:
                self._go()

    def _found(self) -> tuple[Any, Any]:
        """The libraries whose limit is a thread's own, and those whose limit is the process's."""
        with self._lock:
            if self._controllers is None:
                from threadpoolctl import ThreadpoolController

                every = ThreadpoolController()
                of_thread = every.select(threading_layer=_OF_THREAD)
                files = {library.filepath for library in every.lib_controllers}
                files -= {library.filepath for library in of_thread.lib_controllers}
                self._controllers = of_thread, every.select(filepath=list(files))
            return self._controllers

    def _come(self, libraries: Any) -> None:
        with self._lock:
            if self._users == 0:
                self._limit = libraries.limit(limits=1, user_api="blas")
                _let_other_threads_set_it()
            self._users += 1

    def _go(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._limit.restore_original_limits()
                _let_other_threads_set_it()


def _let_other_threads_set_it() -> None:
    """From 3.8 on, threadpoolctl obeys only the thread that gave the last order, unless that one steps back."""
    from threadpoolctl import OpenBLASController

    if hasattr(OpenBLASController, "clear_controlling_thread"):
        OpenBLASController.clear_controlling_thread()
