"""Work that threads which walk tables of calls share out among them, part by part, without the interpreter.

Whoever comes first claims a part. So a thread whose core is taken from it holds up the others only within a part of its
own, and not by being late: they do its other parts as well.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...common.call_table import Row
from ..array import Array, aligned_zeros
from .row_kernel import Stage


class Stretch(NamedTuple):
    """What each thread does apart, and then stages whose parts they share out, once all have come to the first."""

    apart: Sequence[list[Row]]
    stages: Sequence[Stage] = ()


# Each part is offered to so many threads at most, as every offer takes rows of a table: with all for each of many
# threads, tables would be large.
OFFERS = 4


class SharedStages:
    """Stretches as tables for threads: a part is done by one of them, a stage begins when the last one is done.

    Where a stage has one part, and Python is needed for it, the first thread does it.
    """

    def __init__(self, stretches: Sequence[Stretch]) -> None:
        counts = [1 + sum(len(stage) + 1 for stage in stretch.stages) for stretch in stretches]
        self._numbers = aligned_zeros((1 + sum(counts),), np.int64)
        self._failed, self._next = self._numbers[:1], 1
        self._are_apart = False  # whether threads have had rows of their own since the last stage
        self.rows: list[list[Row]] = [[] for _ in stretches[0].apart]
        for stretch in stretches:
            self._lay_out(stretch)

    def _lay_out(self, stretch: Stretch) -> None:
        for own, apart in zip(self.rows, stretch.apart, strict=True):
            own.extend(apart)
        self._are_apart = self._are_apart or any(stretch.apart)
        if stretch.stages and self._are_apart:
            come, self._are_apart = self._take(1), False
            for own in self.rows:
                own.extend(self._meeting(come))
        for stage in stretch.stages:
            numbers = self._take(len(stage) + 1)
            for thread, own in enumerate(self.rows):
                own.extend(self._rows(stage, numbers, thread))

    def _take(self, count: int) -> Array:
        """So many numbers that nobody has yet."""
        self._next += count
        return self._numbers[self._next - count : self._next]

    def begin(self) -> None:
        """Have nothing done; while nobody walks the tables."""
        self._numbers.fill(0)

    def fail(self) -> None:
        """Let nobody wait any more: rows raise BrokenBarrierError where one would."""
        self._failed[0] = 1

    def _meeting(self, come: Array) -> list[Row]:
        from .compiled_claims import finish, wait

        return [Row(finish, (come,)), Row(wait, (come, self._failed, len(self.rows)), _broken)]

    def _rows(self, stage: Stage, numbers: Array, thread: int) -> list[Row]:
        """Those of one thread for a stage; `numbers` are the claims of its parts, and behind them how many are done."""
        from .compiled_claims import claim, finish, wait

        rows, finished = [], Row(finish, (numbers[-1:],))
        if len(stage) > 1 or thread == 0 or all(row.function for row in stage[0]):
            threads = len(self.rows)
            for k in range(min(len(stage), -(-OFFERS * len(stage) // threads))):
                # Mostly each its own neighbours, so that their memory stays in the core's cache.
                number = (thread * len(stage) // threads + k) % len(stage)
                part = [*stage[number], finished]
                rows += [Row(claim, (numbers[number : number + 1], len(part))), *part]
        return [*rows, Row(wait, (numbers[-1:], self._failed, len(stage)), _broken)]


def joined(stages: Sequence[Stage]) -> list[Stage]:
    """The same, with neighbours that have one part each as one stage."""
    made: list[Stage] = []
    for stage in stages:
        if made and len(made[-1]) == len(stage) == 1:
            made[-1] = [made[-1][0] + stage[0]]
        else:
            made.append(stage)
    return made


def _broken() -> None:
    raise threading.BrokenBarrierError
