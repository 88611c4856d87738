"""Threads that prepare the rows of coming batches, one row at a time.

An iterator makes a BatchAhead, gives it to its DecodeThreads, and waits for it when its turn has come. Pillow releases
the GIL while it decodes, so threads suffice and rows need not be sent between processes.
"""

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

# Fills one row: takes the picture's number, its row of data (channels, rows, columns) and of labels (label_width,).
Prepare: TypeAlias = Callable[[int, Array, Array], None]

# Weak, so that a team whose iterator is gone is not kept alive until the process ends.
_teams: weakref.WeakSet[DecodeThreads] = weakref.WeakSet()


class BatchAhead:
    """A batch that threads are filling: `data` (rows, *shape) and `label` (rows, label_width), both float32.

    `place` is its epoch and number in the epoch, `index` (rows,) the number of each row's picture, `pad` how many of
    the last rows are fillers.
    """

    def __init__(self, place: tuple[int, int], index: Array, pad: int, shape: Shape, label_width: int) -> None:
        self.place, self.index, self.pad = place, index, pad
        self.data = np.empty((len(index), *shape), np.float32)
        self.label = np.empty((len(index), label_width), np.float32)
        self.cancelled = False
        self._left = len(index)
        self._errors: dict[int, BaseException] = {}
        self._lock, self._ready = threading.Lock(), threading.Event()

    def cancel(self) -> None:
        """Skip the rows that no thread has begun: nobody will use this batch."""
        self.cancelled = True

    def run(self, row: int, prepare: Prepare) -> None:
        """Prepare one row, on the calling thread. An error is kept for `wait`."""
        try:
            if not self.cancelled:
                prepare(int(self.index[row]), self.data[row], self.label[row])
        except BaseException as error:  # whatever it is, it must reach the thread that waits, and this one must go on
            self._errors[row] = error
        with self._lock:
            self._left -= 1
            ready = self._left == 0
        if ready:
            self._ready.set()

    def wait(self) -> None:
        """Wait until all rows are done. Raises the error of the first row that failed, whatever class it has.

        That is DataError or FileFormatError for a damaged picture.
        """
        self._ready.wait()
        if self._errors:
            # By row and not by time, so that the same batch raises the same error in every run.
            raise self._errors[min(self._errors)]


Rows: TypeAlias = SimpleQueue[tuple[BatchAhead, int, Prepare] | None]


class DecodeThreads:
    """`count` threads that prepare rows, in the order in which batches are put in. `process` is the pid they run in.

    The threads hold no reference to the iterator that they work for. So an iterator that nobody uses any more is
    collected, and its finalizer calls `stop`.
    """

    def __init__(self, count: int) -> None:
        self.process = os.getpid()
        self._rows: Rows = SimpleQueue()
        self._stopped = threading.Event()
        # Not a bound method, which would keep this team, and with it the weak references above, alive.
        serve = (self._rows, self._stopped)
        self._threads = [
            threading.Thread(target=_serve, args=serve, name=f"pushgrad-decode-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()
        _teams.add(self)

    def put(self, batch: BatchAhead, prepare: Prepare) -> None:
        """Have all rows of `batch` prepared; returns at once."""
        for row in range(len(batch.index)):
            self._rows.put((batch, row, prepare))

    def stop(self) -> None:
        """Tell the threads to end without beginning another row. Returns at once; any thread may call it."""
        self._stopped.set()
        for _ in self._threads:  # one for each, to wake those that wait for a row
            self._rows.put(None)

    def join(self) -> None:
        """Wait until the threads have ended."""
        for thread in self._threads:
            thread.join()


def _serve(rows: Rows, stopped: threading.Event) -> None:
    """What a thread runs: take a row, prepare it, and so on until `stopped` is set or None comes."""
    while (task := rows.get()) is not None and not stopped.is_set():
        batch, row, prepare = task
        batch.run(row, prepare)
        del task, batch, prepare  # or this thread would keep the batch alive while it waits for the next row


def _end_all() -> None:
    """Stop and join all threads at the end of the process: one still inside Pillow could crash a dying interpreter."""
    for team in list(_teams):
        if team.process == os.getpid():  # a forked child has a copy of the object, but not the threads
            team.stop()
            team.join()


atexit.register(_end_all)
