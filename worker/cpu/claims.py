"""Work that threads which walk tables of calls share out among them, part by part, without the interpreter.

Whoever comes first claims a part. So a thread whose core is taken from it holds up the others only within a part of its
own, and not by being late: they do its other parts as well.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from ...common.call_table import Row
from ..array import Array, aligned_zeros
from .row_kernel import Stage


class SharedStages:
    """Stages as tables for `threads` threads: a part is done by one of them, a stage begins when the last one is done.

    Where a stage has one part, and Python is needed for it, the first thread does it.
    """

    def __init__(self, stages: Sequence[Stage], threads: int, waits: bool = False) -> None:
        """`waits`: whether the first stage begins only when all threads have come to it, each with work of its own."""
        self._numbers = aligned_zeros((2 + sum(len(stage) + 1 for stage in stages),), np.int64)
        self._failed, place = self._numbers[:1], 2
        meeting = self._meeting(self._numbers[1:2], threads) if waits and stages else []
        self.rows: list[list[Row]] = [[*meeting] for _ in range(threads)]
        for stage in stages:
            numbers = self._numbers[place : place + len(stage) + 1]
            for thread, own in enumerate(self.rows):
                own.extend(self._rows(stage, numbers, thread))
            place += len(numbers)

    def begin(self) -> None:
        """Have nothing done; while nobody walks the tables."""
        self._numbers.fill(0)

    def fail(self) -> None:
        """Let nobody wait any more: rows raise BrokenBarrierError where one would."""
        self._failed[0] = 1

    def _meeting(self, come: Array, threads: int) -> list[Row]:
        from .compiled_claims import finish, wait

        return [Row(finish, (come,)), Row(wait, (come, self._failed, threads), _broken)]

    def _rows(self, stage: Stage, numbers: Array, thread: int) -> list[Row]:
        """Those of one thread for a stage; `numbers` are the claims of its parts, and behind them how many are done."""
        from .compiled_claims import claim, finish, wait

        rows, finished = [], Row(finish, (numbers[-1:],))
        if len(stage) > 1 or thread == 0 or all(row.function for row in stage[0]):
            for k in range(len(stage)):
                # Mostly each its own neighbours, so that their memory stays in the core's cache.
                number = (thread * len(stage) // len(self.rows) + k) % len(stage)
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
