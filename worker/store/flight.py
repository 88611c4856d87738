"""Requests that are under way: how many, and what became of them. Where computing threads wait for the transport's."""

from __future__ import annotations

import threading

from .keys import KeyInfo


class Flight:
    """Counts requests from `launch` to `land`; the first failure ends all of them and is raised to whoever waits.

    `failure` is None as long as none has failed, and never changes afterwards. Any thread may call any method.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0
        self._failure: BaseException | None = None

    @property
    def failure(self) -> BaseException | None:
        """What ended it, if something has."""
        return self._failure

    @property
    def whole(self) -> Flight:
        """The flight that fails as one: itself, unless it is a part of another."""
        return self

    def launch(self, count: int = 1) -> None:
        """`count` more are under way. Raises `failure` if there is one: a failed flight takes no more requests."""
        with self._changed:
            if self._failure is not None:
                raise self._failure
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
            self._failure = self._failure or failure
            self._changed.notify_all()

    def wait(self) -> None:
        """Block until none is under way. Raises `failure` (RemoteError, PeerLost, JobError) as soon as there is one."""
        with self._changed:
            while self._count > 0 and self.failure is None:
                self._changed.wait()
            if (failure := self.failure) is not None:
                raise failure


class Leg(Flight):
    """Some requests of a flight, for which one caller waits: they count in both, and a failure fails all of it.

    `launch` counts them here alone; whoever hands them over launches them in the whole flight, perhaps later. `behind`
    are the keys that are pulled, each with the number of its last push: when the leg has ended, that has been applied.
    """

    def __init__(self, whole: Flight) -> None:
        super().__init__()
        self.behind: list[tuple[KeyInfo, int]] = []
        self._whole, self._changed = whole, whole._changed  # one condition, as both may change at once

    @property
    def failure(self) -> BaseException | None:
        """The whole flight's."""
        return self._whole.failure

    @property
    def whole(self) -> Flight:
        """The flight of which this is a part."""
        return self._whole

    def launch(self, count: int = 1) -> None:
        """`count` more are to be waited for. Raises the whole flight's `failure`."""
        with self._changed:
            if (failure := self.failure) is not None:
                raise failure
            self._count += count

    def land(self) -> None:
        """One has arrived, here and in the whole flight."""
        super().land()
        self._whole.land()

    def fail(self, failure: BaseException) -> None:
        """The whole flight fails."""
        self._whole.fail(failure)
