"""Collectives of the workers: everyone contributes bytes, everyone gets all of them in rank order.

The scheduler keeps them as part of its state machine; there are no sockets here. A barrier is one of empty parts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..common.messages import Gathered
from ..common.wire import Frame, WireError


@dataclass
class Round:
    """One collective that is under way. `since` is when it began, `told` when somebody was last told that it waits."""

    since: float
    parts: dict[int, Frame] = field(default_factory=dict)
    purposes: dict[int, str] = field(default_factory=dict)
    told: float = 0.0


class Collectives:
    """Rounds 1, 2, 3, ... of `workers` workers, of which at most one is under way.

    A worker enters round n + 1 only with the result of round n in hand, so the last result is all that a retry needs.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.done = 0
        self.result: Gathered | None = None
        self.round: Round | None = None
        self.gone: set[int] = set()
        self.mixed_up: WireError | None = None  # workers took part for different purposes: nothing can follow

    def contribute(self, rank: int, n: int, payload: Frame, now: float, purpose: str = "") -> Gathered | None:
        """Take `rank`'s part of round n at time `now`. Returns the result if the round is complete, else None.

        A part that comes again is ignored; of the last round, it is answered with the result. Raises WireError: `left`
        if a worker that the round needs has left, `order` if n is neither the round under way nor the last one,
        `purpose` (then and ever after) if it is for another purpose than the parts that have come.
        """
        if n == self.done:  # a repetition: the answer may have been lost with a connection
            return self.result
        if n != self.done + 1:
            raise WireError("order", "collective", expected=f"number {self.done + 1}", got=n)
        if self.mixed_up:
            raise self.mixed_up
        if self.gone:
            raise self.missing(purpose)
        self.round = self.round or Round(now)
        self.round.parts.setdefault(rank, payload)  # the first one counts; a repetition is the same bytes anyway
        self.round.purposes[rank] = purpose
        if _kind(purpose) != _kind(next(iter(self.round.purposes.values()))):
            self.mixed_up = _mixed_up(self.round.purposes)
            raise self.mixed_up
        if len(self.round.parts) < self.workers:
            return None
        self.result = Gathered.of(n, [self.round.parts[index] for index in range(self.workers)])
        self.done, self.round = n, None
        return self.result

    @property
    def nbytes(self) -> int:
        """The bytes of the last result and of the parts that have come."""
        parts = self.round.parts.values() if self.round else ()
        return sum(memoryview(part).nbytes for part in parts) + sum(self.result.sizes if self.result else ())

    def missing(self, purpose: str) -> WireError:
        """The WireError for a collective of that purpose that can never be complete, as a worker has left."""
        who = ", ".join(f"worker {rank}" for rank in sorted(self.gone))
        what = f'"{purpose}"' if purpose else "this collective or barrier"
        return WireError(
            "left",
            f"{who} left the job before {what}, which needs every worker",
            remedy="All workers must run the same number of barriers, fits, epochs and scores",
        )

    def leave(self, rank: int) -> list[tuple[int, WireError]]:
        """Note that `rank` has left. Returns the ranks whose round has failed by that, each with the error to tell."""
        self.gone.add(rank)
        waiting = sorted(self.round.purposes.items()) if self.round else []
        self.round = None  # it can never be complete, and those who waited are told
        return [(one, self.missing(purpose)) for one, purpose in waiting]

    def waits(self, now: float, patience: float) -> str | None:
        """Say for whom an unfinished round waits and for how long, once every `patience` seconds; else None."""
        if self.round is None or now - max(self.round.since, self.round.told) < patience:
            return None
        self.round.told = now
        absent = ", ".join(str(rank) for rank in range(self.workers) if rank not in self.round.parts)
        purpose = next(iter(self.round.purposes.values()))
        kind = "collective" if any(map(len, self.round.parts.values())) or purpose not in ("", "barrier") else "barrier"
        what = "" if purpose in ("", "barrier") else f' "{purpose}"'
        return f"{kind} {self.done + 1}{what} waits for worker {absent} ({now - self.round.since:.0f} s)"


def _kind(purpose: str) -> str:
    return purpose.partition(":")[0]


def _mixed_up(purposes: dict[int, str]) -> WireError:
    """The WireError for parts of different purposes: it names one worker of each."""
    found: dict[str, str] = {}
    for rank, purpose in sorted(purposes.items()):
        found.setdefault(_kind(purpose), f'worker {rank} in "{purpose}"')
    return WireError(
        "purpose",
        "workers wait for each other in different places: " + ", ".join(found.values()),
        remedy="All workers must make the same calls in the same order: do not guard fit, score, barriers or "
        "key-value stores by the rank",
    )
