"""Pooling with one window over the whole plane: its sum or its mean, for float32."""

from __future__ import annotations

import math

import numpy as np

from ...common.call_table import Row
from ...common.compiled_calls import integer, line, real
from ...common.jit import kernel
from ..array import Array, Arrays, Gradients, Shape
from ..ops.operator import Step
from .row_kernel import RowKernel, Stage, shares
from .sums import sum_line


class PlaneSumKernel(RowKernel):
    """data (n, C, ...) -> (n, C, 1, ...), whatever the number of axes; the mean if `is_mean`."""

    joins_slices = True

    def __init__(self, data: Shape, is_mean: bool) -> None:
        self._pixels = math.prod(data[2:])
        self._divisor = float(self._pixels if is_mean else 1)

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Write one number per plane, summed up in double precision."""
        return self._forward(inputs[0].reshape(-1, self._pixels), outputs[0].reshape(-1))

    def forward_stages(self, step: Step, inputs: Arrays, outputs: Arrays, threads: int) -> list[Stage]:
        """Parts are planes."""
        planes, out = inputs[0].reshape(-1, self._pixels), outputs[0].reshape(-1)
        return [[self._forward(planes[part], out[part]) for part in shares(out.size, threads)]]

    def _forward(self, planes: Array, out: Array) -> list[Row]:
        return [Row(_sum, (planes, out, *planes.shape, self._divisor))]

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Write data's gradient, in equal parts to all numbers of a plane."""
        grad, target = out_grads[0], in_grads[0]
        return [] if target is None else [Row(_spread, (grad, target, grad.size, self._pixels, self._divisor))]


@kernel
def _sum(at: int) -> int:
    """out (n,) = the sums of planes (n, pixels) / divisor."""
    count, pixels, divisor = integer(at, 2), integer(at, 3), np.float32(real(at, 4))
    out = line(integer(at, 1), count)
    for i in range(count):
        out[i] = np.float32(sum_line(integer(at, 0) + 4 * i * pixels, pixels)) / divisor
    return 0


@kernel
def _spread(at: int) -> int:
    """Planes (n, pixels) of the same number: grad (n,) / divisor."""
    count, pixels, divisor = integer(at, 2), integer(at, 3), np.float32(real(at, 4))
    grad = line(integer(at, 0), count)
    for i in range(count):
        part = grad[i] / divisor
        line(integer(at, 1) + 4 * i * pixels, pixels)[:] = part
    return 0
