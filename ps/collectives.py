"""Collectives of the workers: everyone contributes bytes, everyone gets all of them in rank order. No sockets here."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..common.wire import Frame, WireError


@dataclass
class Round:
    """One collective that is under way."""

    since: float
    parts: dict[int, Frame] = field(default_factory=dict)
    told: float = 0.0


class Collectives:
    """Rounds 1, 2, 3, ... of `workers` workers, of which at most one is under way.

    A worker enters round n + 1 only with the result of round n in hand, so the last result is all that a retry needs.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.done = 0
        self.result: tuple[Frame, ...] = ()
        self.round: Round | None = None
        self.gone: set[int] = set()

    def contribute(self, rank: int, n: int, payload: Frame, now: float) -> tuple[Frame, ...] | None:
        """Take `rank`'s part of round n. The result if the round is complete (or was), else None.

        WireError `left` if a worker that the round needs has left, `order` if n is not the round under way.
        """
        if n == self.done:
            return self.result
        if n != self.done + 1:
            raise WireError("order", "collective", expected=f"number {self.done + 1}", got=n)
        if self.gone:
            raise self.missing()
        self.round = self.round or Round(now)
        self.round.parts.setdefault(rank, payload)
        if len(self.round.parts) < self.workers:
            return None
        self.result = tuple(self.round.parts[index] for index in range(self.workers))
        self.done, self.round = n, None
        return self.result

    def missing(self) -> WireError:
        """The error for a collective that can no longer be complete."""
        who = ", ".join(f"worker {rank}" for rank in sorted(self.gone))
        return WireError(
            "left",
            f"{who} left the job before this collective or barrier, which needs every worker",
            remedy="All workers must run the same number of barriers, fits and epochs",
        )

    def leave(self, rank: int) -> list[int]:
        """`rank` is gone; the ranks that wait for it in vain."""
        self.gone.add(rank)
        waiting = sorted(self.round.parts) if self.round else []
        self.round = None
        return waiting

    def waits(self, now: float, patience: float) -> str | None:
        """Every `patience` seconds of an unfinished round: who it waits for and for how long."""
        if self.round is None or now - max(self.round.since, self.round.told) < patience:
            return None
        self.round.told = now
        absent = ", ".join(str(rank) for rank in range(self.workers) if rank not in self.round.parts)
        kind = "collective" if any(map(len, self.round.parts.values())) else "barrier"
        return f"{kind} {self.done + 1} waits for worker {absent} ({now - self.round.since:.0f} s)"
