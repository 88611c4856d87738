"""At which calls the workers of a job ask whether a snapshot is due, when only rank 0's clock can tell.

To ask is a round trip to the scheduler, which would be much for every step of a fast loop. So rank 0 says each time how
many calls may pass until the next time: all count them alike, and need not talk meanwhile.
"""

from __future__ import annotations

import math
import time

from ...common.snapshot_interval import Interval

SOON = 0.05  # seconds after which a snapshot that was put off is asked for again
ASK_AGAIN = 0.5  # seconds between two questions at most: a signal may have asked rank 0 for a snapshot meanwhile


class Turns:
    """The turns of one loop, or of a fit. `cost` is what the last snapshot took, in seconds."""

    def __init__(self, interval: Interval) -> None:
        self._interval, self.cost = interval, 0.0
        self._last = self._asked = time.monotonic()  # the last snapshot, the last question
        self._calls, self._wanted = 0, 1  # since the last question, and how many make the next one
        self._pending = False  # one is due, as all workers know: this call's, or the last one was still being written
        self._hurried = False  # a signal has asked for one, which rank 0 alone knows

    def hurry(self) -> None:
        """Want a snapshot as soon as may be. On rank 0."""
        self._hurried = True

    def comes(self, last: int, step: int, together: bool) -> bool:
        """Whether to ask at this call, after `step` steps; at the call before there were `last`.

        `together`: there are other workers, so that asking costs something.
        """
        self._calls += 1
        if self._interval.steps is not None and not self._pending:
            # Not every step needs a call, so one may pass the very step.
            self._pending = step // self._interval.steps > last // self._interval.steps
            if self._pending:
                return True
        return self._calls >= self._wanted if together else self.due()

    def due(self) -> bool:
        """Whether a snapshot is wanted now. On rank 0, whose clock counts."""
        return self._pending or self._hurried or self._left() <= 0

    def next(self) -> int:
        """How many calls may pass until the next question. On rank 0."""
        pace = max(time.monotonic() - self._asked, 1e-9) / max(self._calls, 1)
        left = SOON if self.due() else min(self._left(), ASK_AGAIN)
        # At most twice as many as before: the first calls of a loop are often quick ones.
        return max(1, min(int(left / pace), 2 * self._wanted))

    def _left(self) -> float:
        """Seconds until a snapshot is due by the clock."""
        if self._interval.steps is not None:
            return math.inf
        return self._last + self._interval.pause(self.cost) - time.monotonic()

    def settle(self, taken: bool, put_off: bool = False, calls: int = 1) -> None:
        """Note what came of the question, and how many calls may pass until the next."""
        self._asked, self._calls, self._wanted, self._pending = time.monotonic(), 0, calls, put_off
        if taken:
            self._last, self._hurried = self._asked, False

    def blocked(self) -> float:
        """The seconds that the loop has been waiting for the snapshot that is being taken."""
        return time.monotonic() - self._last
