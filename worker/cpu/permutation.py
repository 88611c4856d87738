"""transpose and SwapAxis for float32 where the last axes stay: runs of memory are copied."""

from __future__ import annotations

import math

import numpy as np

from ...common.call_table import Row
from ...common.compiled_calls import integer
from ...common.jit import kernel
from ..array import Array, Arrays, Gradients, Shape
from ..ops.operator import Step
from .panels import copy_line, read_address
from .row_kernel import RowKernel

SHORTEST = 8  # floats of a run; numpy is faster with shorter ones


def run_length(order: Shape, data: Shape) -> int:
    """How many numbers of `data` stay side by side when its axes are put into `order`."""
    return math.prod(data[_moved(order) :])


def _moved(order: Shape) -> int:
    """How many axes there are up to the last that moves."""
    return max((axis + 1 for axis, source in enumerate(order) if axis != source), default=0)


class PermutationKernel(RowKernel):
    """data -> data with its axes in `order`; output axis i is data's axis order[i]."""

    def __init__(self, order: Shape) -> None:
        self.order = order

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Copy data with its axes reordered."""
        return [self._row(inputs[0], outputs[0], self.order)]

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Copy the gradient with each axis back in its place."""
        back = tuple(self.order.index(axis) for axis in range(len(self.order)))
        return [] if in_grads[0] is None else [self._row(out_grads[0], in_grads[0], back)]

    def _row(self, source: Array, target: Array, order: Shape) -> Row:
        moved = _moved(order)
        steps = [source.strides[axis] // 4 for axis in order[:moved]]
        extents, pitches = np.array(target.shape[:moved], np.int64), np.array(steps, np.int64)
        return Row(_copy_runs, (source, target, extents, pitches, moved, math.prod(target.shape[moved:])))


@kernel
def _copy_runs(at: int) -> int:
    """target = the runs of source, in the order of the target's first axes, which have these extents and pitches."""
    extents, pitches, axes, size = integer(at, 2), integer(at, 3), integer(at, 4), integer(at, 5)
    index, total, place = np.zeros(axes, np.int64), 1, 0
    for axis in range(axes):
        total *= read_address(extents + 8 * axis)
    for run in range(total):
        copy_line(integer(at, 0) + 4 * place, integer(at, 1) + 4 * run * size, size)
        for axis in range(axes - 1, -1, -1):
            index[axis] += 1
            place += read_address(pitches + 8 * axis)
            if index[axis] < read_address(extents + 8 * axis):
                break
            place -= index[axis] * read_address(pitches + 8 * axis)
            index[axis] = 0
    return 0
