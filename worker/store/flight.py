"""Requests that are under way: how many, and what became of them. Where computing threads wait for the transport's."""

from __future__ import annotations

import threading


class Flight:
    """Counts requests from `launch` to `land`; the first failure ends all of them and is raised to whoever waits.

    `failure` is None as long as none has failed, and never changes afterwards. Any thread may call any method.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0
        self.failure: BaseException | None = None

    def launch(self, count: int = 1) -> None:
        """`count` more are under way. Raises `failure` if there is one: a failed flight takes no more requests."""
        with self._changed:
            if self.failure is not None:
                raise self.failure
            self._count += count

    def land(self) -> None:
        """One has arrived."""
        with self._changed:
            self._count -= 1
            if self._count <= 0:
                self._changed.notify_all()

    def fail(self, failure: BaseException) -> None:
        """None of those under way will arrive; a second failure is ignored, as the first is the cause."""
        with self._changed:
            self.failure = self.failure or failure
            self._changed.notify_all()

    def wait(self) -> None:
        """Block until none is under way. Raises `failure` (RemoteError, PeerLost, JobError) as soon as there is one."""
        with self._changed:
            while self._count > 0 and self.failure is None:
                self._changed.wait()
            if self.failure is not None:
                raise self.failure
