"""Threads that prepare the rows of coming batches, one row at a time."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeAlias

import numpy as np

from ...array import Array, Shape

Prepare: TypeAlias = Callable[[int, Array, Array], None]  # number of the picture, its rows of data and labels

_teams: weakref.WeakSet[DecodeThreads] = weakref.WeakSet()


class BatchAhead:
    """A batch in the making; `place` is its epoch and number, `index` the pictures of its rows, `pad` its fillers."""

    def __init__(self, place: tuple[int, int], index: Array, pad: int, shape: Shape, label_width: int) -> None:
        self.place, self.index, self.pad = place, index, pad
        self.data = np.empty((len(index), *shape), np.float32)
        self.label = np.empty((len(index), label_width), np.float32)
        self.cancelled = False
        self._left = len(index)
        self._errors: dict[int, BaseException] = {}
        self._lock, self._ready = threading.Lock(), threading.Event()

    def cancel(self) -> None:
        """Nobody wants this batch any more: rows not begun yet are left out."""
        self.cancelled = True

    def run(self, row: int, prepare: Prepare) -> None:
        """Prepare one row; an error is kept for `wait`."""
        try:
            if not self.cancelled:
                prepare(int(self.index[row]), self.data[row], self.label[row])
        except BaseException as error:  # whatever it is, it belongs to whoever waits for the batch
            self._errors[row] = error
        with self._lock:
            self._left -= 1
            ready = self._left == 0
        if ready:
            self._ready.set()

    def wait(self) -> None:
        """Return when all rows are there; raises the error of the first row that failed."""
        self._ready.wait()
        if self._errors:
            raise self._errors[min(self._errors)]


Rows: TypeAlias = SimpleQueue[tuple[BatchAhead, int, Prepare] | None]


class DecodeThreads:
    """`count` threads that prepare rows in the order in which their batches were put in.

    They hold nothing of the iterator they work for, so one that is dropped can end them: see `stop`.
    """

    def __init__(self, count: int) -> None:
        self.process = os.getpid()
        self._rows: Rows = SimpleQueue()
        self._stopped = threading.Event()
        serve = (self._rows, self._stopped)
        self._threads = [
            threading.Thread(target=_serve, args=serve, name=f"pushgrad-decode-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()
        _teams.add(self)

    def put(self, batch: BatchAhead, prepare: Prepare) -> None:
        """Prepare all rows of `batch`."""
        for row in range(len(batch.index)):
            self._rows.put((batch, row, prepare))

    def stop(self) -> None:
        """Let the threads end without beginning another row; returns at once, and may be called from any thread."""
        self._stopped.set()
        for _ in self._threads:
            self._rows.put(None)

    def join(self) -> None:
        """Wait until the threads have ended."""
        for thread in self._threads:
            thread.join()


def _serve(rows: Rows, stopped: threading.Event) -> None:
    while (task := rows.get()) is not None and not stopped.is_set():
        batch, row, prepare = task
        batch.run(row, prepare)
        del task, batch, prepare  # or this thread would keep a batch while it waits for the next one


def _end_all() -> None:
    """At the end of the process: a thread within Pillow while the interpreter goes away could crash it."""
    for team in list(_teams):
        if team.process == os.getpid():
            team.stop()
            team.join()


atexit.register(_end_all)
