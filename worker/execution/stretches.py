"""Passes of programs on threads, stretch by stretch: what each does apart, and where a node couples rows, together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ...common.call_table import Row
from ..cpu.claims import Stretch
from ..cpu.row_kernel import Stage
from .program import Program
from .program_rows import Delivered, Pauses, ProgramRows
from .whole_batch_nodes import Meeting


def stretches_between(couplers: Sequence[int]) -> list[tuple[int, int | None]]:
    """For each stretch of forward, the number of its first call, and of the coupling node behind it, None for the last.

    `couplers` are the numbers of all of these nodes, in order.
    """
    return list(zip([0, *(number + 1 for number in couplers)], [*couplers, None], strict=True))


class Pass:
    """One pass of programs, those of each thread, as stretches for tables; a `meeting` computes coupling nodes."""

    def __init__(self, programs: Sequence[Sequence[Program]], meeting: Meeting | None) -> None:
        pauses = [Pauses(), *[None] * (len(programs) - 1)]
        self._meeting = meeting
        self._programs = [
            [ProgramRows(program, mine) for program in own] for own, mine in zip(programs, pauses, strict=True)
        ]

    def forward(self) -> list[Stretch]:
        """Forward alone."""
        found = []
        for first, meets in stretches_between(self._meeting.numbers if self._meeting else []):
            apart, stages = self._apart(ProgramRows.forward, first, meets), list[Stage]()
            if self._meeting is not None and meets is not None:
                stages = self._meeting.stages_of_forward(meets, len(self._programs))
            found.append(Stretch(apart, stages))
        return found

    def step(self, first: Sequence[list[Row]], delivered: Delivered, end: Sequence[Stage]) -> list[Stretch]:
        """Forward and backward; `first` are rows with which each thread begins, `end` is what all share out at the end.

        Without coupling nodes, a thread does both for one slice after the other: backward finds in the cache what
        forward wrote.
        """
        if self._meeting is None:
            return [Stretch(first), Stretch(self._apart(ProgramRows.both, delivered), end)]
        return [Stretch(first), *self.forward(), *self._backward(self._meeting, delivered, end)]

    def _backward(self, meeting: Meeting, delivered: Delivered, end: Sequence[Stage]) -> Iterator[Stretch]:
        apart, announced = self._apart(ProgramRows.before_backward, delivered), meeting.untouched
        for first, meets in reversed(stretches_between(meeting.numbers)):
            if meets is not None:
                yield Stretch(apart, meeting.stages_of_backward(meets, len(self._programs)))
                apart, announced = [[] for _ in self._programs], meeting.finished(meets)
            apart[0] += [row for name in announced for row in delivered(name)]
            for rows, own in zip(apart, self._apart(ProgramRows.backward, delivered, first, meets), strict=True):
                rows += own
        yield Stretch(apart, end)

    def _apart(self, made: Callable[..., list[Row]], *given: Any) -> list[list[Row]]:
        """The rows that `made(program, *given)` gives for each thread's programs."""
        return [[row for program in own for row in made(program, *given)] for own in self._programs]
