"""Where threads that walk tables of calls wait for each other without the interpreter."""

from __future__ import annotations

import threading

import numpy as np

from ...common.call_table import Row
from ..array import aligned_zeros

_LINE = 8  # int64 of a cache line


class MeetingPoint:
    """A barrier for `threads` threads, all of which have to meet equally often, as a row of their tables."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        numbers = aligned_zeros((2, _LINE), np.int64)  # apart, as those who wait look at the second all the time
        self._arrived, self._released = numbers[0, :1], numbers[1, :1]

    def begin(self) -> None:
        """Forget what was; while nobody walks the tables."""
        self._arrived[0] = self._released[0] = 0

    def release(self) -> None:
        """Let nobody wait any more: rows raise BrokenBarrierError where one would, as a thread will not come."""
        self._released[0] = 1

    def row(self) -> Row:
        """Waits for all other threads."""
        from .compiled_meeting import meet

        return Row(meet, (self._arrived, self._released, self._threads), _broken)


def _broken() -> None:
    raise threading.BrokenBarrierError
