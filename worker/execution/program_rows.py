"""What programs do, as rows of tables of calls."""

from __future__ import annotations

from collections.abc import Callable

from ...common.call_table import Row, in_python
from ..cpu.row_kernel import Stage
from .program import Program

Delivered = Callable[[str], list[Row]]  # what follows as soon as a gradient of an argument is final

UNBROKEN = 2e10  # operations without a look for signals, a tenth of a second or so


class Pauses:
    """Rows of a pass at which Python sees to signals: Ctrl-C would else wait for its end, perhaps for many seconds."""

    def __init__(self) -> None:
        self._work = 0.0  # operations since the last one

    def after(self, work: float) -> list[Row]:
        """Such a row, if with so many operations more there have been enough."""
        self._work += work
        if self._work < UNBROKEN:
            return []
        self._work = 0.0
        return [in_python(see_to_signals)]


class ProgramRows:
    """Makes the rows of a program for a pass, in order."""

    def __init__(self, program: Program, pauses: Pauses | None = None) -> None:
        """`pauses`: those of the thread, if it is the script's own, which alone sees to signals."""
        self._program, self._pauses = program, pauses

    def both(self, delivered: Delivered) -> list[Row]:
        """Forward and backward, with ones for the gradients of outputs.

        `delivered(name)` gives the rows that follow as soon as this program's gradient of an argument is final.
        """
        return [*self.forward(), *self.before_backward(delivered), *self.backward(delivered)]

    def forward(self, first: int = 0, last: int | None = None) -> list[Row]:
        """What `forward` of the program does."""
        program, rows = self._program, []
        for call in program.calls[first:last]:
            if call is not None:
                rows += [*call.rows_of_forward(program.step, program.counts), *self._pause(call.work)]
        return [*rows, in_python(program.copy_heads)] if program.copies_heads and last is None else rows

    def before_backward(self, delivered: Delivered) -> list[Row]:
        """What `begin_backward` does with ones."""
        rows = [in_python(self._program.begin_with_ones)] if self._program.reads_heads else []
        return [*rows, *(row for name in self._program.untouched for row in delivered(name))]

    def backward(self, delivered: Delivered, first: int = 0, last: int | None = None) -> list[Row]:
        """What `backward` of the program does."""
        program, rows = self._program, []
        for call in reversed(program.calls[first:last]):
            if call is not None and call.in_grads:
                rows += call.rows_of_backward(program.step, program.counts)
                follows = [row for name in call.finished for row in delivered(name)]
                if follows:  # parameters may have changed: the step is to be done as a whole from here on
                    self._pauses = None
                rows += [*follows, *self._pause(2 * call.work)]
        return rows

    def _pause(self, work: float) -> list[Row]:
        return self._pauses.after(work) if self._pauses else []


def stages_of_forward(program: Program, threads: int) -> list[Stage]:
    """Forward for at most so many threads."""
    stages, pauses = [], Pauses()
    for call in program.calls:
        if call is not None:
            stages += call.stages_of_forward(program.step, program.counts, threads)
            pause = pauses.after(call.work)
            stages += [[pause]] if pause else []
    return [*stages, [[in_python(program.copy_heads)]]] if program.copies_heads else stages


def see_to_signals() -> None:
    """Nothing: before Python comes here, it calls the handlers of signals that have arrived."""
