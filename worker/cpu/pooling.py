"""Pooling in two dimensions: windows that may overlap or reach into a border, and the maximum of a whole plane.

As stride_phases.py describes, a plane is laid out so that what all windows read at one tap is one run of memory; `line`
has one number per window, row by row at the phases' pitch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ...common.jit import kernel
from ...common.slices import share
from ..array import Array, Arrays, Gradients, Shape, aligned_empty
from ..ops.operator import Step
from .scratch import scratch
from .stride_phases import PhasePlan, collect, deal, lay_out

if TYPE_CHECKING:
    from ..ops.pooling import Pooling

BLOCK = 2048  # windows at a time: their running maxima stay in the first-level cache


class PoolKernel:
    """data (n, C, H, W) -> (n, C, OH, OW): max, mean or sum of each window, the same bits as the plain version.

    Of a maximum the winning tap is kept, so that backward reads neither data nor output. The kernel is one thread's
    share of the planes of a call.
    """

    def __init__(self, op: Pooling, data: Shape, out: Shape, lane: int = 0, lanes: int = 1) -> None:
        self._made_of = op, data, out
        self._own = slice(*share(out[0] * out[1], lane, lanes))
        windows = op.windows(data)
        self.largest = op.pool_type == "max"
        self.plan = PhasePlan.of(windows, out[2:])
        self.divisor = np.ones(out[2:], np.float32)  # of each window: those at the border may count fewer elements
        if op.pool_type == "avg":
            self.divisor[...] = op.divisor(np, windows, data[2:], out[2:], np.float32)
        kept = (self._own.stop - self._own.start, self.plan.length) if self.largest else (0, 0)
        self.winner = aligned_empty(kept, np.int16)  # half the memory of int32; registry.py sees to it that taps fit

    def split(self, lanes: int) -> list[PoolKernel]:
        """`lanes` kernels that share the planes out among them; all are given the same, whole arrays."""
        return [PoolKernel(*self._made_of, lane, lanes) for lane in range(lanes)]

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write one value per window; of a maximum, its tap is remembered."""
        phases = scratch("phases", self.plan.shape)
        # What is never written is the border: it must not win, or must add nothing.
        phases.fill(-np.inf if self.largest else 0)
        line, plan = scratch("line", (self.plan.length,)), self.plan
        data, out = _planes(inputs[0])[self._own], _planes(outputs[0])[self._own]
        if self.largest:
            _largest(data, out, self.winner, phases, plan.offsets, line, scratch("kept", (BLOCK,), np.int32), plan.pad)
        else:
            _sums(data, out, self.divisor, phases, plan.offsets, line, plan.pad)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write data's gradient: each window's to its first maximum, or in equal parts to all of it."""
        if in_grads[0] is None:
            return
        phases, line = scratch("phases", self.plan.shape), scratch("line", (self.plan.length,))
        grad, target, plan = _planes(out_grads[0])[self._own], _planes(in_grads[0])[self._own], self.plan
        if self.largest:
            _to_largest(grad, self.winner, target, phases, plan.offsets, line, plan.pad)
        else:
            _to_all(grad, self.divisor, target, phases, plan.offsets, line, plan.pad)


class WholePlaneMaximumKernel:
    """data (n, C, ...) -> (n, C, 1, ...), the largest number of each plane, whatever its number of axes."""

    def __init__(self, data: Shape) -> None:
        self.pixels = math.prod(data[2:])
        self.winner = np.zeros(data[0] * data[1], np.intp)
        self.every = np.arange(self.winner.size)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write one value per plane; its place is remembered."""
        planes = inputs[0].reshape(-1, self.pixels)
        np.argmax(planes, axis=1, out=self.winner)  # the first of equal numbers; a NaN beats any number
        np.maximum.reduce(planes, axis=1, out=outputs[0].reshape(-1))

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write data's gradient: each plane's to its first maximum."""
        if in_grads[0] is not None:
            target = in_grads[0].reshape(-1, self.pixels)
            target.fill(0)
            target[self.every, self.winner] = out_grads[0].reshape(-1)


def _planes(array: Array) -> Array:
    """(n, C, H, W) as (n * C, H, W), sharing the memory."""
    return array.reshape(-1, *array.shape[2:])


@kernel
def _largest(
    data: Array,
    out: Array,
    winner: Array,
    phases: Array,
    offsets: Array,
    line: Array,
    kept: Array,
    pad: tuple[int, int],
) -> None:
    """out = the largest of each window, winner = its tap; `line` and `kept` are scratch, the latter of one block."""
    flat, pitch = phases.reshape(-1), phases.shape[3]
    for p in range(len(data)):
        deal(data[p], phases, pad)
        # All taps of one block of windows before the next block. `kept` is an int32, as wide as the floats that decide,
        # so that the loop over both stays in vectors; it is narrowed once per block.
        for start in range(0, line.size, kept.size):
            best = line[start : start + kept.size]
            first = flat[offsets[0] + start : offsets[0] + start + best.size]
            for q in range(best.size):
                best[q] = first[q]
                kept[q] = 0
            for t in range(1, len(offsets)):
                values = flat[offsets[t] + start : offsets[t] + start + best.size]
                for q in range(best.size):
                    # The first maximum wins, and a NaN is larger than any number: `not <=` is also true of a NaN,
                    # and nothing displaces a NaN that is there.
                    larger = (not values[q] <= best[q]) and best[q] == best[q]
                    best[q] = values[q] if larger else best[q]
                    kept[q] = t if larger else kept[q]
            place = winner[p, start : start + best.size]
            for q in range(best.size):
                place[q] = kept[q]
        for y in range(out.shape[1]):
            result, source = out[p, y], line[y * pitch :]
            for x in range(result.size):
                result[x] = source[x]


@kernel
def _to_largest(
    grad: Array, winner: Array, target: Array, phases: Array, offsets: Array, line: Array, pad: tuple[int, int]
) -> None:
    """target = the gradient of data, that of each window going to the tap in `winner`."""
    flat = phases.reshape(-1)
    for p in range(len(grad)):
        flat[:] = 0
        lay_out(grad[p], line, phases.shape[3])
        kept = winner[p]
        for t in range(len(offsets)):
            place = flat[offsets[t] : offsets[t] + line.size]
            for q in range(line.size):
                # Adding 0 where the tap did not win keeps the loop free of branches, and so in vectors.
                place[q] += line[q] if kept[q] == t else np.float32(0)
        collect(phases, target[p], pad)


@kernel
def _sums(
    data: Array, out: Array, divisor: Array, phases: Array, offsets: Array, line: Array, pad: tuple[int, int]
) -> None:
    """out = the sum of each window / divisor (OH, OW), taps added in row-major order, as the plain version does."""
    flat, pitch = phases.reshape(-1), phases.shape[3]
    for p in range(len(data)):
        deal(data[p], phases, pad)
        line[:] = 0
        for t in range(len(offsets)):
            values = flat[offsets[t] : offsets[t] + line.size]
            for q in range(line.size):
                line[q] += values[q]
        for y in range(out.shape[1]):
            result, source = out[p, y], line[y * pitch :]
            for x in range(result.size):
                result[x] = source[x] / divisor[y, x]


@kernel
def _to_all(
    grad: Array, divisor: Array, target: Array, phases: Array, offsets: Array, line: Array, pad: tuple[int, int]
) -> None:
    """target = the gradient of data, that of each window / divisor (OH, OW) going to all of its taps."""
    flat, pitch = phases.reshape(-1), phases.shape[3]
    line[:] = 0  # between the rows stand windows that do not exist; they must add nothing
    for p in range(len(grad)):
        flat[:] = 0
        for y in range(grad.shape[1]):
            place, source = line[y * pitch :], grad[p, y]
            for x in range(source.size):
                place[x] = source[x] / divisor[y, x]
        for t in range(len(offsets)):
            place = flat[offsets[t] : offsets[t] + line.size]
            for q in range(line.size):
                place[q] += line[q]
        collect(phases, target[p], pad)
