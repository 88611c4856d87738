"""Where compute threads wait for each other within a step, mostly for less time than the system takes to wake one."""

from __future__ import annotations

from threading import BrokenBarrierError, Condition, RLock

from ...common.counter import Counter


class AwakeBarrier:
    """As threading.Barrier, but whoever comes stays awake for a moment before it sleeps until the last has come."""

    def __init__(self, parties: int) -> None:
        self._parties, self._arrived, self._broken = parties, 0, False
        self._meetings = Counter()
        # The lock guards all of these. `with` takes it directly: Condition's __enter__ is Python, in which Ctrl-C may
        # come when the lock has been taken, but before `with` knows that it has to give it back.
        self._lock = RLock()
        self._changed = Condition(self._lock)

    def wait(self) -> None:
        """Return when all parties have come. Raises BrokenBarrierError if that will not happen."""
        with self._lock:
            if self._broken:
                raise BrokenBarrierError
            meeting = self._meetings.read()
            self._arrived += 1
            if self._arrived == self._parties:
                self._arrived = 0
                self._meetings.up()
                self._changed.notify_all()
                return
        self._meetings.watch(meeting)
        with self._lock:
            self._changed.wait_for(lambda: self._broken or self._meetings.read() != meeting)
            if self._meetings.read() == meeting:
                raise BrokenBarrierError

    def abort(self) -> None:
        """Let nobody wait any more: those who do, and all who come, get BrokenBarrierError."""
        with self._lock:
            self._broken = True
            self._changed.notify_all()
