"""Who waits for whom: where workers say that they stand, and which steps servers say that they cannot complete.

From both the scheduler sees what none of them can: workers that wait for each other and would for ever. No sockets.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from ..common.messages import PENDING, Stalled, Standing
from .roster import Member

FRESH = 3.0  # seconds for which a server's word counts; it repeats it every second
SURE = 2.0  # seconds that workers must be found waiting for each other: what has been said may be on its way


class Waits:
    """What has been said, and by whom. Times are seconds of the scheduler's clock."""

    def __init__(self) -> None:
        self._standing: dict[int, tuple[Standing, float]] = {}
        self._stalled: dict[int, tuple[Stalled, float]] = {}
        self._stuck: tuple[frozenset[int], float] = (frozenset(), 0.0)

    def stands(self, rank: int, message: Standing, now: float) -> None:
        """Note where worker `rank` stands."""
        self._standing[rank] = (message, now)

    def forget(self, rank: int) -> None:
        """Worker `rank` has left, and waits for nobody any more."""
        self._standing.pop(rank, None)

    def stalls(self, server: int, message: Stalled, now: float) -> None:
        """Note what a server cannot complete."""
        self._stalled[server] = (message, now)

    def absent(self, server: int) -> set[int]:
        """For whom that server waits."""
        found = self._stalled.get(server)
        return {rank for step in found[0].steps for rank in step[4]} if found else set()

    def crossed(self, present: AbstractSet[int] | None, now: float) -> dict[int, str]:
        """Where the workers stand that wait for each other, by rank, once that is certain; empty if none do.

        `present` are the ranks that wait in the collective under way, None without one.
        """
        stuck = frozenset(self._circle(present, now))
        if stuck != self._stuck[0]:
            self._stuck = (stuck, now)
        if not stuck or now - self._stuck[1] < SURE:
            return {}
        return {rank: self._standing[rank][0].where for rank in sorted(stuck)}

    def _circle(self, present: AbstractSet[int] | None, now: float) -> set[int]:
        """The workers of which each can only go on when another of them does."""
        stuck = {rank for rank, (said, _) in self._standing.items() if said.waits}
        while True:
            needing = self._needing(stuck, present, now)
            if needing == stuck:
                return stuck
            stuck = needing

    def _needing(self, stuck: set[int], present: AbstractSet[int] | None, now: float) -> set[int]:
        """Those of `stuck` of whom everything that they wait for needs one of `stuck`."""
        collective = present if present is not None and not stuck <= present else frozenset()
        steps: defaultdict[int, set[int]] = defaultdict(set)  # by fit: who waits for a step that needs one of `stuck`
        for said, when in self._stalled.values():
            for fit, key, _, waiting, absent in said.steps if now - when < FRESH else ():
                if self._has_not_pushed(absent, stuck, fit, key):
                    steps[fit].update(waiting)
        found = set()
        for rank in stuck:
            place = self._standing[rank][0]
            if (not place.collective or rank in collective) and all(rank in steps[fit] for fit in place.fits):
                found.add(rank)
        return found

    def _has_not_pushed(self, absent: Iterable[int], others: set[int], fit: int, key: str) -> bool:
        """Whether one of `others` is absent and has no push of that key on its way."""
        for rank in others.intersection(absent):
            pending = self._standing[rank][0].pending
            if len(pending) < PENDING and (fit, key) not in pending:
                return True
        return False

    def where(self, members: Iterable[Member], lease: float, now: float) -> str:
        """Where those stand of whom it is known, as an addition to a line that names them; empty if nothing is."""
        found = [self._one(member, lease, now) for member in members]
        return "".join(f"; {text}" for text in found if text)

    def _one(self, member: Member, lease: float, now: float) -> str:
        if now - member.spoke > 2 * lease:
            silent = now - member.spoke
            return f"worker {member.rank} has run no Python for {silent:.0f} s: something holds its interpreter (GIL)"
        said = self._standing.get(member.rank or 0)
        if said is None or not said[0].where:
            return ""
        verb = "waits in" if said[0].waits else "stands at"
        return f"worker {member.rank} {verb} {said[0].where}"


def told(places: dict[int, str]) -> str:
    """The reason to end a job whose workers wait for each other, standing at those places."""
    some = list(places.items())[:4]
    listed = ", ".join(f"worker {rank} waits in {where}" for rank, where in some)
    more = f", and {len(places) - len(some)} more" if len(places) > len(some) else ""
    return (
        f"workers wait for each other: {listed}{more}. All workers must make the same calls in the same order, "
        "and have as many batches in each epoch"
    )
