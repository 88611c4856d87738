"""Who has pushed what of one range, and which pulls may be answered. Pure bookkeeping, no arrays.

Each worker numbers its pushes to a range 1, 2, 3, ... In `sync` mode, version n exists when every worker's push n is
there. In `async` mode every push is applied at once. `ssp` is like async, but worker r's pull n waits while the slowest
worker is more than `staleness` behind n. The numbers are what makes requests repeatable: a push that is not the next
one of its worker has been applied already, or is an error.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..common.wire import WireError

Waiting = tuple[int, str, bytes | None]  # of a pull: its number, its part, and the rows that it asks for
PARKED = 16  # pulls of one range by one worker that may wait: ours has one at a time


class Ledger:
    """What `workers` workers have pushed to one range, and which of their pulls wait (`parked`)."""

    def __init__(self, workers: int, mode: str, staleness: int) -> None:
        self.mode, self.staleness = mode, staleness
        self.pushed = [0] * workers  # the number of each worker's last push
        self.version = 0  # sync: the last complete number; else how many pushes were applied
        self.lr: float | None = None  # of the version under way
        self.lr_from = 0
        # worker -> the pulls that wait; dicts serve as sets that keep the order
        self.parked: dict[int, dict[Waiting, None]] = {}
        self.since = 0.0  # when the first push of the version under way came, in seconds of the server's clock
        self.almost = 0.0  # when all pushes but one were there

    def accept(self, rank: int, n: int, lr: float, gone: set[int], key: str | None = None) -> bool:
        """Whether push n of `rank` is new and may be written; False if it is a repetition. Changes nothing.

        Raises WireError, which names the `key`: `order` if it skips a number or comes before push n - 1 is part of a
        version, `left` if it needs a worker that has left, `learning_rate` if workers disagree on the rate.
        """
        last = self.pushed[rank]
        if n <= last:
            return False
        # In sync mode the worker's last push must have been used up: its slot still holds it until then.
        complete = self.version if self.mode == "sync" else last
        if n != last + 1 or complete < last:
            raise WireError("order", "push", key=key, expected=f"number {complete + 1}", got=n)
        if self.mode == "sync":
            missing = sorted(item for item in gone if self.pushed[item] < n)
            if missing:
                raise left(missing, n, key)
            # To the last bit: rates that differ would mean schedules or steps that differ.
            if self.lr is not None and self.lr != lr:
                raise WireError(
                    "learning_rate",
                    f"step {n}: workers disagree on the learning rate",
                    key=key,
                    expected=f"{self.lr!r} as worker {self.lr_from} says",
                    got=f"{lr!r} from worker {rank}",
                )
        return True

    def enter(self, rank: int, n: int, lr: float, now: float, others: Sequence[Ledger] = ()) -> bool:
        """Note push n of `rank`, which `accept` has let in. Returns whether the range is now to be updated.

        With it the ranges of `others` are, so that in sync mode it must wait for their pushes, too.
        """
        self.pushed[rank] = n
        if self.mode != "sync":
            self.version += 1
            return True
        if self.lr is None:
            self.lr, self.lr_from, self.since = lr, rank, now
        if sum(item == n for item in self.pushed) == len(self.pushed) - 1:
            self.almost = now
        together = [self, *others]
        if any(min(ledger.pushed) < n for ledger in together):
            return False
        for ledger in together:
            ledger.version, ledger.lr = n, None
        return True

    def require_room(self, rank: int, pull: Waiting, key: str | None = None) -> None:
        """WireError `order` if too many pulls of `rank` wait already for another one. Changes nothing."""
        waiting = self.parked.get(rank, {})
        if pull not in waiting and len(waiting) >= PARKED:
            raise WireError("order", "pulls of a range that wait", key=key, expected=f"at most {PARKED}")

    def acknowledged(self, rank: int, n: int) -> bool:
        """Whether push n of `rank` is part of the version that exists, so that a repetition can be acknowledged."""
        return n <= (self.version if self.mode == "sync" else self.pushed[rank])

    def absent(self) -> list[int]:
        """In sync mode, the ranks that the version under way waits for; empty if no push of it has come yet."""
        wanted = self.version + 1
        return [rank for rank, n in enumerate(self.pushed) if n < wanted] if max(self.pushed) == wanted else []

    def stalled(self, now: float, patience: float) -> tuple[list[int], list[int]] | None:
        """Who waits for this range, and for whose pushes, if that has lasted for `patience` seconds; else None."""
        if self.mode == "sync":
            if self.lr is None or now - self.since < patience or not self.absent():
                return None
            return self.waiting(), self.absent()
        if self.mode != "ssp" or not any(self.parked.values()):
            return None
        waiting = [rank for rank, pulls in self.parked.items() if pulls]
        ahead = max(n for pulls in self.parked.values() for n, *_ in pulls)
        return waiting, [rank for rank, n in enumerate(self.pushed) if ahead - n > self.staleness]

    def waiting(self) -> list[int]:
        """In sync mode, the ranks whose push of the version under way is there."""
        return [rank for rank, n in enumerate(self.pushed) if n > self.version]

    def ready(self, rank: int, n: int, gone: set[int]) -> bool:
        """Whether pull n of `rank` can be answered now.

        Raises WireError: `gone` if version n no longer exists, `order` if it is too far ahead, `left` if it can never
        come because a worker has left. A pull may come before its own push does, so n may be one ahead.
        """
        if self.mode != "sync":
            if n > self.pushed[rank] + 1:
                raise WireError("order", "pull", expected=f"at most number {self.pushed[rank] + 1}", got=n)
            return self.pushed[rank] >= n and not self._too_far_ahead(n, gone)
        if n < self.version:
            raise WireError("gone", "pull of a version that is no more", expected=self.version, got=n)
        if n > self.version + 1:
            raise WireError("order", "pull", expected=f"at most number {self.version + 1}", got=n)
        missing = sorted(item for item in gone if self.pushed[item] < n)
        if missing:
            raise left(missing, n)
        return n == self.version

    def _too_far_ahead(self, n: int, gone: set[int]) -> bool:
        if self.mode != "ssp":
            return False
        # A worker that has left does not hold anybody up: it will push nothing more to wait for.
        slowest = min((m for rank, m in enumerate(self.pushed) if rank not in gone), default=n)
        return n - slowest > self.staleness


def left(ranks: list[int], n: int, key: str | None = None) -> WireError:
    """The WireError for step n, which needs the workers `ranks` although they have left."""
    who = ", ".join(f"worker {rank}" for rank in ranks)
    return WireError(
        "left",
        f"{who} left the job before step {n}, which needs every worker's gradient",
        key=key,
        remedy="All workers must take the same number of steps",
    )
