"""Depthwise convolution: every channel by itself, with one filter. That is too little arithmetic for a GEMM.

Each plane is laid out in phases (see stride_phases.py), so that every tap of the kernel is one multiply-add over a run
of memory, whatever the stride. `line` holds one number per window, row by row at the phases' pitch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...common.jit import kernel
from ..array import Array, Arrays, Gradients, Shape
from ..ops.operator import Step
from .scratch import scratch
from .stride_phases import PhasePlan, collect, deal, lay_out
from .sums import sum_pixels

if TYPE_CHECKING:
    from ..ops.convolution import Convolution

BLOCK = 1024  # windows at a time: their sums stay in the first-level cache
LANES = 256  # partial sums of one weight's gradient, added up at the end


class DepthwiseKernel:
    """data (n, C, H, W), weight (C, 1, kh, kw), bias (C,) -> (n, C, OH, OW)."""

    def __init__(self, op: Convolution, data: Shape, out: Shape) -> None:
        self.plan = PhasePlan.of(op.windows(), out[2:])
        self.no_bias = np.zeros(data[1], np.float32)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write the weighted sum of each window, plus bias."""
        bias = inputs[2] if len(inputs) > 2 else self.no_bias
        plan, weight = self.plan, inputs[1].reshape(len(inputs[1]), -1)
        _forward(inputs[0], weight, bias, outputs[0], self._phases(), plan.offsets, self._line(), plan.pad)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the gradients of data, weight and bias, those that are asked for."""
        grad, plan, weight = out_grads[0], self.plan, inputs[1].reshape(len(inputs[1]), -1)
        if len(inputs) > 2 and in_grads[2] is not None:
            sum_pixels(grad, in_grads[2])
        if in_grads[1] is not None:
            lanes = scratch("lanes", (len(plan.offsets), LANES))
            target = in_grads[1].reshape(weight.shape)
            _weight_gradient(inputs[0], grad, target, self._phases(), plan.offsets, self._line(), lanes, plan.pad)
        if in_grads[0] is not None:
            _data_gradient(grad, weight, in_grads[0], self._phases(), plan.offsets, self._line(), plan.pad)

    def _phases(self) -> Array:
        """Scratch for one plane, its border zero; dealing a plane writes the inside only."""
        phases = scratch("phases", self.plan.shape)
        phases.fill(0)
        return phases

    def _line(self) -> Array:
        return scratch("line", (self.plan.length,))


@kernel
def _forward(
    data: Array,
    weight: Array,
    bias: Array,
    out: Array,
    phases: Array,
    offsets: Array,
    line: Array,
    pad: tuple[int, int],
) -> None:
    pitch = phases.shape[3]
    for i in range(data.shape[0]):
        for c in range(data.shape[1]):
            deal(data[i, c], phases, pad)
            line[:] = bias[c]
            # All taps of one block before the next block: its sums are read and written in the first-level cache.
            for start in range(0, line.size, BLOCK):
                _correlate(phases.reshape(-1)[start:], weight[c], offsets, line[start : start + BLOCK])
            # Rows of the line are `pitch` apart; what lies between them belongs to windows that do not exist.
            for y in range(out.shape[2]):
                result, source = out[i, c, y], line[y * pitch :]
                for x in range(result.size):
                    result[x] = source[x]


@kernel
def _correlate(flat: Array, weight: Array, offsets: Array, line: Array) -> None:
    """line[q] += sum over taps of weight[t] * flat[offsets[t] + q].

    Three taps share one pass, and so one load and store of the sum for three multiply-adds.
    """
    together = len(offsets) - len(offsets) % 3
    for t in range(0, together, 3):
        w0, w1, w2 = weight[t], weight[t + 1], weight[t + 2]
        first = flat[offsets[t] : offsets[t] + line.size]
        second = flat[offsets[t + 1] : offsets[t + 1] + line.size]
        third = flat[offsets[t + 2] : offsets[t + 2] + line.size]
        for q in range(line.size):
            line[q] += w0 * first[q] + w1 * second[q] + w2 * third[q]
    for t in range(together, len(offsets)):
        w0, first = weight[t], flat[offsets[t] : offsets[t] + line.size]
        for q in range(line.size):
            line[q] += w0 * first[q]


@kernel
def _data_gradient(
    grad: Array, weight: Array, target: Array, phases: Array, offsets: Array, line: Array, pad: tuple[int, int]
) -> None:
    flat = phases.reshape(-1)
    for i in range(grad.shape[0]):
        for c in range(grad.shape[1]):
            flat[:] = 0  # windows overlap: each tap adds to what is there
            lay_out(grad[i, c], line, phases.shape[3])
            for t in range(len(offsets)):
                w, place = weight[c, t], flat[offsets[t] : offsets[t] + line.size]
                for q in range(line.size):
                    place[q] += w * line[q]
            collect(phases, target[i, c], pad)


@kernel
def _weight_gradient(
    data: Array,
    grad: Array,
    target: Array,
    phases: Array,
    offsets: Array,
    line: Array,
    lanes: Array,
    pad: tuple[int, int],
) -> None:
    flat = phases.reshape(-1)
    for c in range(grad.shape[1]):
        # A weight's gradient is a dot product over all windows. As one sum it would be a chain of additions; as LANES
        # sums side by side it runs in vectors, without allowing the compiler to reorder anything.
        lanes[:] = 0
        for i in range(grad.shape[0]):
            deal(data[i, c], phases, pad)
            lay_out(grad[i, c], line, phases.shape[3])
            for start in range(0, line.size, LANES):
                run = line[start : start + LANES]
                for t in range(len(offsets)):
                    values, sums = flat[offsets[t] + start : offsets[t] + start + run.size], lanes[t]
                    for q in range(run.size):
                        sums[q] += run[q] * values[q]
        for t in range(len(offsets)):
            target[c, t] = _folded(lanes[t])


@kernel
def _folded(sums: Array) -> float:
    """The sum of `sums` (LANES,), a power of two: the upper half is added to the lower until one number is left.

    `sums` is overwritten.
    """
    half = sums.size // 2
    while half > 0:
        for q in range(half):
            sums[q] += sums[half + q]
        half //= 2
    return float(sums[0])
