"""An executor's passes as tables of calls, made when they are first needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import chain

from ...common.call_table import Row
from ..cpu.row_kernel import Stage
from .program import Program
from .slice_sums import SliceSums
from .table_walk import TableWalk


class StepTables:
    """Tables for threads with these programs, which deliver their gradients to `sums`."""

    def __init__(self, programs: Sequence[Sequence[Program]], sums: SliceSums) -> None:
        self._programs, self._sums = programs, sums

    @cached_property
    def forward(self) -> TableWalk:
        """Forward alone."""
        return self._walk(Program.rows_of_forward)

    @cached_property
    def step(self) -> TableWalk:
        """Forward and backward, with what follows as soon as a gradient is final, and the end."""

        def delivered(name: str) -> list[Row]:
            return [] if name in self.parts_at_end else self._sums.rows(name)

        return self._walk(lambda program: program.rows(delivered), self._end)

    @cached_property
    def end(self) -> TableWalk | None:
        """What threads share out at the end of a step; None if there is nothing."""
        return TableWalk([[] for _ in self._programs], False, self._end) if self._end else None

    @cached_property
    def parts_at_end(self) -> dict[str, Stage]:
        """What to do of final gradients, by name: several threads share it out at the end of a step.

        A lone thread does it as soon as it can, and so does the last one to deliver where Python is needed.
        """
        return self._sums.shared_parts() if len(self._programs) > 1 else {}

    @property
    def _end(self) -> list[Stage]:
        return [list(chain.from_iterable(self.parts_at_end.values()))] if self.parts_at_end else []

    def _walk(self, rows: Callable[[Program], list[Row]], stages: Sequence[Stage] = ()) -> TableWalk:
        """These rows of each program, and then what all threads share out."""
        own = [list(chain.from_iterable(map(rows, programs))) for programs in self._programs]
        needs_blas = any(program.compiled < 1 for program in chain.from_iterable(self._programs))
        return TableWalk(own, needs_blas, stages)
