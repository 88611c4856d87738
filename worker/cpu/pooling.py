"""Pooling in two dimensions, of windows that may overlap or reach into a border.

As stride_phases.py describes, a plane is laid out so that what all windows read at one tap is one run of memory. A line
has one number per window, row by row at the phases' pitch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ...common.call_table import Row
from ...common.compiled_calls import integer, line
from ...common.jit import kernel
from ..array import Array, Arrays, Gradients, Shape, aligned_empty
from ..ops.operator import Step
from .line_moves import copy_lines
from .row_kernel import RowKernel, Stage, rooms, shares
from .stride_phases import PhasePlan, collect, deal, layout_at
from .window_taps import STEP, largest, largest_and_tap, sums, to_all, to_winners

if TYPE_CHECKING:
    from ..ops.pooling import Pooling


class PoolKernel(RowKernel):
    """data (n, C, H, W) -> (n, C, OH, OW): max, mean or sum of each window, the same bits as the plain version.

    Of a maximum the winning tap is kept, so that backward reads neither data nor output.
    """

    joins_slices = True

    def __init__(self, op: Pooling, data: Shape, out: Shape) -> None:
        windows = op.windows(data)
        self.largest = op.pool_type == "max"
        self.plan = PhasePlan.of(windows, out[2:])
        self.planes, self.layout = out[0] * out[1], self.plan.layout(data[2:])
        _, _, rows, pitch = self.plan.shape
        # Floats of a phase, and of all of them.
        self._phase, self._phases = rows * pitch, math.prod(self.plan.shape)
        self.divisor = np.ones(self.plan.length + STEP, np.float32)  # of each window; 1 between the rows
        if op.pool_type == "avg":
            # Windows at the border may count fewer elements.
            divisor = op.divisor(np, windows, data[2:], out[2:], np.float32)
            for y in range(out[2]):
                self.divisor[y * pitch : y * pitch + out[3]] = divisor[y] if divisor.ndim else divisor
        self.kept = -(-self.plan.length // STEP) * STEP  # taps of a plane
        self.winner: Array | None = None

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Write one value per window; of a maximum, its tap is remembered if a backward may follow."""
        return [self._forward(step, inputs, outputs, slice(0, self.planes))]

    def forward_stages(self, step: Step, inputs: Arrays, outputs: Arrays, threads: int) -> list[Stage]:
        """Parts are planes."""
        return [[[self._forward(step, inputs, outputs, part)] for part in shares(self.planes, threads)]]

    def _forward(self, step: Step, inputs: Arrays, outputs: Arrays, part: slice) -> Row:
        winner, taps = self._winner() if step.learns else None, len(self.plan.offsets)
        numbers = self.plan.offsets, taps, self.largest, self.kept, part.start, part.stop, self.plan.length
        room = rooms(self._phases + STEP, self.plan.length + STEP)
        return Row(_forward, (inputs[0], outputs[0], winner, self.divisor, *numbers, *self.layout, *room))

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Write data's gradient: each window's to its first maximum, or in equal parts to all of it."""
        if in_grads[0] is None:
            return []
        winner, room = self._winner(), rooms(self._phases + STEP, 2 * self._margin + self.plan.length)
        numbers = *self.plan.by_phase(), self._margin, self.kept, 0, self.planes, self.plan.length
        return [Row(_backward, (out_grads[0], in_grads[0], winner, self.divisor, *numbers, *self.layout, *room))]

    def _winner(self) -> Array | None:
        """The winning taps, plane by plane; None for sums."""
        if self.largest and self.winner is None:
            # Half the memory of int32; registry.py sees to it that taps fit. Backward reads beyond both ends.
            self.winner = aligned_empty((self.planes * self.kept + 2 * self._margin,), np.int16)
        return None if self.winner is None else self.winner[self._margin :]

    @property
    def _margin(self) -> int:
        """How far beyond the ends of windows backward reads, at most."""
        return -(-(self._phase + STEP) // STEP) * STEP


@kernel
def _forward(at: int) -> int:
    """out = the largest of each window, and where its tap goes, or its sum / divisor, for some of the planes."""
    data, out, winner, divisor = integer(at, 0), integer(at, 1), integer(at, 2), integer(at, 3)
    offsets, taps, is_largest, kept = integer(at, 4), integer(at, 5), integer(at, 6), integer(at, 7)
    windows, layout, phases = integer(at, 10), layout_at(at, 11), integer(at, 21)
    numbers = phases + 4 * integer(at, 22)
    stride_h, stride_w, rows, pitch, _, _, height, width, down, across = layout
    # What is never written is the border: it must not win, or must add nothing.
    line(phases, stride_h * stride_w * rows * pitch)[:] = -np.inf if is_largest else 0
    for p in range(integer(at, 8), integer(at, 9)):
        deal(data + 4 * p * height * width, phases, layout)
        if not is_largest:
            sums(phases, offsets, taps, numbers, divisor, windows)
        elif winner:
            largest_and_tap(phases, offsets, taps, numbers, winner + 2 * p * kept, windows)
        else:
            largest(phases, offsets, taps, numbers, 0, windows)
        copy_lines(numbers, pitch, out + 4 * p * down * across, across, down, across)
    return 0


@kernel
def _backward(at: int) -> int:
    """The gradient of data: that of each window to the tap that won, or, divided, to all of them."""
    grad, target, winner, divisor = integer(at, 0), integer(at, 1), integer(at, 2), integer(at, 3)
    taps, offsets, begins, margin = integer(at, 4), integer(at, 5), integer(at, 6), integer(at, 7)
    kept, windows, layout, phases = integer(at, 8), integer(at, 11), layout_at(at, 12), integer(at, 22)
    stride_h, stride_w, rows, pitch, _, _, height, width, down, across = layout
    numbers = phases + 4 * (integer(at, 23) + margin)
    line(numbers - 4 * margin, windows + 2 * margin)[:] = 0  # between the rows stand windows that do not exist
    for p in range(integer(at, 9), integer(at, 10)):
        copy_lines(grad + 4 * p * down * across, across, numbers, pitch, down, across)
        if not winner:
            _divide(line(numbers, windows), line(divisor, windows))
        for phase in range(stride_h * stride_w):
            begin, place = integer(begins, phase), phases + 4 * phase * rows * pitch
            count, some, before = integer(begins, phase + 1) - begin, taps + 8 * begin, offsets + 8 * begin
            if winner:
                to_winners(numbers, winner + 2 * p * kept, some, before, count, place, rows * pitch)
            else:
                to_all(numbers, 0, some, before, count, place, rows * pitch)
        collect(phases, target + 4 * p * height * width, layout)
    return 0


@kernel
def _divide(numbers: Array, divisor: Array) -> None:
    for q in range(numbers.size):
        numbers[q] /= divisor[q]
