"""An executor's passes as tables of calls, made when they are first needed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import chain

from ...common.call_table import Row
from ..array import Rows
from ..cpu.claims import Stretch
from ..cpu.row_kernel import Stage
from .gathered_inputs import GatheredInputs
from .program import Program
from .slice_sums import SliceSums
from .stretches import Pass
from .table_walk import TableWalk
from .whole_batch_nodes import Meeting


class StepTables:
    """Tables for threads with these programs, which compute these `rows` each and meet where nodes couple rows."""

    def __init__(
        self,
        programs: Sequence[Sequence[Program]],
        rows: Sequence[Sequence[Rows]],
        meeting: Meeting | None,
        inputs: GatheredInputs,
        sums: SliceSums,
    ) -> None:
        """`inputs` say what rows a step has, `sums` take the gradients."""
        self._programs, self._rows, self._meeting = programs, rows, meeting
        self._inputs, self._sums = inputs, sums

    @cached_property
    def forward(self) -> TableWalk:
        """Forward alone, of inputs that are there."""
        return TableWalk(Pass(self._programs, self._meeting).forward(), self._needs_blas)

    @cached_property
    def step(self) -> TableWalk:
        """Forward and backward, with what follows as soon as a gradient is final, and the end."""

        def delivered(name: str) -> list[Row]:
            return [] if name in self.parts_at_end else self._sums.rows(name)

        gathering = [[row for rows in own for row in self._inputs.rows(rows)] for own in self._rows]
        stretches = Pass(self._programs, self._meeting).step(gathering, delivered, self._end)
        return TableWalk(stretches, self._needs_blas)

    def lay_out(self) -> None:
        """Make those of a step now: before anything is compiled for it, so that all is counted that will be."""
        _ = self.step

    @cached_property
    def end(self) -> TableWalk | None:
        """What threads share out at the end of a step; None if there is nothing."""
        return TableWalk([Stretch([[] for _ in self._programs], self._end)], False) if self._end else None

    @cached_property
    def parts_at_end(self) -> dict[str, Stage]:
        """What to do of final gradients, by name: several threads share it out at the end of a step.

        A lone thread does it as soon as it can, and so does the last one to deliver where Python is needed. The order
        is that of a lone thread: in it, bad gradients are found.
        """
        if len(self._programs) < 2:
            return {}
        found = self._sums.shared_parts()
        return {name: found[name] for name in [*self._programs[0][0].finishing(), *found] if name in found}

    @property
    def _end(self) -> list[Stage]:
        """First all sums and what looks at them, then all updates: a bad gradient changes no parameter."""
        parts = list(chain.from_iterable(self.parts_at_end.values()))
        return [[rows[:-1] for rows in parts], [rows[-1:] for rows in parts]] if parts else []

    @property
    def _needs_blas(self) -> bool:
        """Whether there are calls that BLAS may compute."""
        if self._meeting is not None and not self._meeting.is_compiled:
            return True
        return any(program.compiled < 1 for program in chain.from_iterable(self._programs))
