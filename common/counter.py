"""A number that one thread counts up and another watches, awake for a moment.

To wake a thread that sleeps takes the system tens of microseconds, more if its core has gone to sleep, too: as long as
the step of a small network. Whoever expects news at once looks here first, without the interpreter's lock.
"""

from __future__ import annotations

import numpy as np

AWAKE = 200e-6  # seconds


class Counter:
    """Counts from 0. Only one thread at a time counts up, any may read and watch."""

    def __init__(self) -> None:
        self._number = np.zeros(1, np.int64)
        self._address = self._number.ctypes.data

    def up(self) -> None:
        """Count one more."""
        self._number[0] += 1

    def read(self) -> int:
        """The number now."""
        return int(self._number[0])

    def watch(self, before: int) -> None:
        """Return as soon as the number is not `before`, or after about AWAKE seconds."""
        from .compiled_watch import looks_per_second, watch  # imports numba, which takes a while

        watch(self._address, before, int(AWAKE * looks_per_second()))
