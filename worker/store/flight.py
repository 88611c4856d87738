"""Requests that are under way: how many, and what became of them."""

from __future__ import annotations

import threading


class Flight:
    """Counts requests from `launch` to `land`; the first failure ends all of them and is raised to whoever waits."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0
        self.failure: BaseException | None = None

    def launch(self, count: int = 1) -> None:
        """`count` more are under way; raises what has failed before."""
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
        """None of them will arrive."""
        with self._changed:
            self.failure = self.failure or failure
            self._changed.notify_all()

    def wait(self) -> None:
        """Until none is under way; raises the failure if there was one."""
        with self._changed:
            while self._count > 0 and self.failure is None:
                self._changed.wait()
            if self.failure is not None:
                raise self.failure
