"""Where this worker's threads stand: in a collective, in a wait for servers, or at one place of the script for long.

The scheduler is told once something lasts. From what all workers say it sees those that wait for each other, and its
lines about a worker that others wait for say where that one stands.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from ...common.messages import PENDING, Standing

LASTING = 1.0  # seconds after which a wait is worth a message
EVERY = 0.25  # seconds between two looks
OURS = str(Path(__file__).resolve().parents[2])


@dataclass(frozen=True, eq=False)
class Place:
    """One thread's wait: `what` describes it, `fit` is the store's whose answers it needs, None in a collective."""

    what: Callable[[], str]
    fit: int | None
    since: float


class Standings:
    """Of the threads that use the job. `lease` and times are in seconds of `clock`.

    `use` and `waiting` are for those threads, `look` is for the transport's alone; they share a dict and a set whose
    single operations are atomic. `said` is what the scheduler was told last.
    """

    def __init__(self, lease: float, clock: Callable[[], float]) -> None:
        self.lease, self.clock = lease, clock
        self._inside: dict[int, Place] = {}
        self._users: set[int] = set()
        self._next_look = 0.0
        self.said = Standing(where="")
        self._spot: object = None  # where the main thread was seen last, and since when
        self._spot_since = 0.0

    def use(self) -> None:
        """Note that the calling thread uses the job: as long as it lives and does not wait, others may rely on it."""
        self._users.add(threading.get_ident())

    @contextmanager
    def waiting(self, what: Callable[[], str], fit: int | None = None) -> Iterator[None]:
        """Around a wait of the calling thread."""
        me = threading.get_ident()
        self._users.add(me)
        self._inside[me] = Place(what, fit, self.clock())
        try:
            yield
        finally:
            self._inside.pop(me, None)

    def look(self, now: float, pending: Callable[[], Iterable[tuple[int, str]]]) -> Standing | None:
        """What is to be said to the scheduler now: None if nothing has changed. `pending` are unanswered pushes."""
        if now < self._next_look:
            return None
        self._next_look = now + EVERY
        found = self._waits(now, pending) or self._stands_still(now) or Standing(where="")
        if found == self.said:
            return None
        self.said = found
        return found

    def _waits(self, now: float, pending: Callable[[], Iterable[tuple[int, str]]]) -> Standing | None:
        inside = dict(self._inside)
        alive = {item.ident for item in threading.enumerate() if not item.name.startswith("pushgrad-")}
        users = self._users & alive
        if not users or not all(user in inside and now - inside[user].since >= LASTING for user in users):
            return None
        places = [(user, inside[user]) for user in sorted(users)]
        frames = sys._current_frames()
        texts = [f"{place.what()}{_at(frames.get(user))}" for user, place in places[:4]]
        return Standing(
            where=" and ".join(texts)[:1000],
            waits=True,
            collective=any(place.fit is None for _, place in places),
            fits=tuple(sorted({place.fit for _, place in places if place.fit is not None}))[:64],
            pending=tuple(sorted(set(pending())))[:PENDING],
        )

    def _stands_still(self, now: float) -> Standing | None:
        """The main thread's place in the script if it has been the same for two leases; not a wait of ours."""
        main = threading.main_thread().ident
        frame = sys._current_frames().get(main or 0)
        if frame is None or main in self._inside:
            self._spot = None
            return None
        spot = (id(frame), frame.f_lasti)
        if spot != self._spot:
            self._spot, self._spot_since = spot, now
        if now - self._spot_since < 2 * self.lease:
            return None
        return Standing(where=f"{_place(frame)[:900]} for {2 * self.lease:.0f} s and more")


def _at(frame: FrameType | None) -> str:
    return "" if frame is None else f" ({_place(frame)})"


def _place(frame: FrameType) -> str:
    """The innermost place in code that is neither ours nor Python's own; the innermost at all if there is none."""
    known: FrameType | None = frame
    while known is not None and known.f_code.co_filename.startswith((OURS, "<frozen", sys.base_prefix + "/lib")):
        known = known.f_back
    found = known or frame
    return f"{Path(found.f_code.co_filename).name}:{found.f_lineno} in {found.f_code.co_name}"
