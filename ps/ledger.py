"""Who has pushed what of one range, and which pulls may be answered. Pure bookkeeping, no arrays.

Pushes are numbered 1, 2, 3, ... per worker and range. `sync`: version n exists when every worker's push n is there.
`async`: every push is applied at once. `ssp`: as async, but worker r's pull n waits while the slowest worker is more
than `staleness` behind n.
"""

from __future__ import annotations

from ..common.wire import WireError


class Ledger:
    """The state of one range towards `workers` workers."""

    def __init__(self, workers: int, mode: str, staleness: int) -> None:
        self.mode, self.staleness = mode, staleness
        self.pushed = [0] * workers  # the number of each worker's last push
        self.version = 0  # sync: the last complete number; else how many pushes were applied
        self.lr: float | None = None  # of the version under way
        self.lr_from = 0
        self.parked: dict[int, set[tuple[int, str]]] = {}  # worker -> (number, part) of pulls that wait
        self.since = 0.0  # when the first push of the version under way came
        self.almost = 0.0  # when all but one were there

    def accept(self, rank: int, n: int, lr: float, gone: set[int], key: str | None = None) -> bool:
        """Whether push n of `rank` is new and may be written; False if it is a repetition. Errors name the `key`.

        WireError: `order` if it skips a number, `left` if it needs a worker that has left, `learning_rate` if
        workers disagree on it.
        """
        last = self.pushed[rank]
        if n <= last:
            return False
        complete = self.version if self.mode == "sync" else last
        if n != last + 1 or complete < last:
            raise WireError("order", "push", key=key, expected=f"number {complete + 1}", got=n)
        if self.mode == "sync":
            missing = sorted(item for item in gone if self.pushed[item] < n)
            if missing:
                raise left(missing, n, key)
            if self.lr is not None and self.lr != lr:
                raise WireError(
                    "learning_rate",
                    f"step {n}: workers disagree on the learning rate",
                    key=key,
                    expected=f"{self.lr!r} as worker {self.lr_from} says",
                    got=f"{lr!r} from worker {rank}",
                )
        return True

    def enter(self, rank: int, n: int, lr: float, now: float) -> bool:
        """Note push n of `rank`, which `accept` has let in; whether the range is now to be updated."""
        self.pushed[rank] = n
        if self.mode != "sync":
            self.version += 1
            return True
        if self.lr is None:
            self.lr, self.lr_from, self.since = lr, rank, now
        if sum(item == n for item in self.pushed) == len(self.pushed) - 1:
            self.almost = now
        if min(self.pushed) < n:
            return False
        self.version, self.lr = n, None
        return True

    def acknowledged(self, rank: int, n: int) -> bool:
        """Whether push n of `rank` is part of the version that exists."""
        return n <= (self.version if self.mode == "sync" else self.pushed[rank])

    def absent(self) -> list[int]:
        """sync: the workers that the version under way waits for; empty if nobody waits."""
        wanted = self.version + 1
        return [rank for rank, n in enumerate(self.pushed) if n < wanted] if max(self.pushed) == wanted else []

    def waiting(self) -> list[int]:
        """sync: the workers whose push of the version under way is there."""
        return [rank for rank, n in enumerate(self.pushed) if n > self.version]

    def ready(self, rank: int, n: int, gone: set[int]) -> bool:
        """Whether pull n of `rank` can be answered now.

        WireError: `gone` if version n is no more, `order` if it is too far ahead, `left` if it can never come.
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
        slowest = min((m for rank, m in enumerate(self.pushed) if rank not in gone), default=n)
        return n - slowest > self.staleness


def left(ranks: list[int], n: int, key: str | None = None) -> WireError:
    """The error for a step that needs workers which have left."""
    who = ", ".join(f"worker {rank}" for rank in ranks)
    return WireError(
        "left",
        f"{who} left the job before step {n}, which needs every worker's gradient",
        key=key,
        remedy="All workers must take the same number of steps",
    )
