"""LRN (normalisation across neighbouring channels) for float32, row by row, so that a row stays in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.jit import kernel
from ..array import Array, Arrays, Gradients, Shape
from ..ops.lrn import LRN
from ..ops.operator import Step
from ..ops.shapes import product
from .double_functions import power
from .vector_loops import mapped


class LRNKernel:
    """data (rows, channels, ...) -> the same shape. Backward computes s again rather than keep it."""

    joins_slices = True

    def __init__(self, op: LRN, data: Shape) -> None:
        self.op = op
        self.scratch = np.empty((2, data[1], product(data[2:])), np.float32)
        # In float32, as a Python float would make the compiled loops compute in double precision.
        self.numbers = tuple(np.float32(v) for v in (op.alpha / op.nsize, op.beta, op.knorm))

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write x s^-beta, s = knorm + alpha / nsize * the sum of x^2 over nsize channels around each."""
        _forward(_planes(inputs[0]), _planes(outputs[0]), self.scratch[0], self.op.nsize // 2, self.numbers)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write dy s^-beta - 2 alpha beta / nsize * x * the sum of dy x s^(-beta - 1) over the same channels."""
        if in_grads[0] is not None:
            arrays = (_planes(inputs[0]), _planes(out_grads[0]), _planes(in_grads[0]))
            _backward(*arrays, self.scratch[0], self.scratch[1], self.op.nsize // 2, self.numbers)


def _planes(array: Array) -> Array:
    """(rows, channels, positions), sharing the memory."""
    return array.reshape(*array.shape[:2], product(array.shape[2:]))


@kernel
def _forward(x: Array, y: Array, factor: Array, reach: int, numbers: tuple[Any, ...]) -> None:
    for i in range(x.shape[0]):
        row, out = x[i], y[i]
        for c in range(row.shape[0]):
            _window_of_squares(row, c, reach, factor[c], numbers)
            _inverse_power(factor[c], numbers[1])
            for k in range(row.shape[1]):
                out[c, k] = row[c, k] * factor[c, k]


@kernel
def _backward(
    x: Array,
    head: Array,
    grad: Array,
    factor: Array,
    shared: Array,
    reach: int,
    numbers: tuple[Any, ...],
) -> None:
    # In each row first factor = s^-beta and shared = dy x s^(-beta - 1), then window sums of the latter.
    share = np.float32(2) * numbers[0] * numbers[1]
    for i in range(x.shape[0]):
        row, above, out = x[i], head[i], grad[i]
        for c in range(row.shape[0]):
            _window_of_squares(row, c, reach, shared[c], numbers)
            factor[c] = shared[c]  # s itself is still needed, for the quotient below
            _inverse_power(factor[c], numbers[1])
            for k in range(row.shape[1]):
                shared[c, k] = above[c, k] * row[c, k] * factor[c, k] / shared[c, k]
        # Only now, as a channel needs the quotients of the channels on both sides.
        for c in range(row.shape[0]):
            for k in range(row.shape[1]):
                out[c, k] = 0
            for other in range(max(c - reach, 0), min(c + reach + 1, row.shape[0])):
                for k in range(row.shape[1]):
                    out[c, k] += shared[other, k]
            for k in range(row.shape[1]):
                out[c, k] = above[c, k] * factor[c, k] - share * row[c, k] * out[c, k]


@kernel
def _window_of_squares(row: Array, c: int, reach: int, sums: Array, numbers: tuple[Any, ...]) -> None:
    """sums (positions,) = s of channel c of row (channels, positions).

    Each window is added up anew: a running sum that drops old channels would carry their rounding errors along.
    """
    for k in range(sums.size):
        sums[k] = 0
    for other in range(max(c - reach, 0), min(c + reach + 1, row.shape[0])):
        for k in range(sums.size):
            sums[k] += row[other, k] * row[other, k]
    for k in range(sums.size):
        sums[k] = numbers[2] + numbers[0] * sums[k]


_power = mapped(power)


@kernel
def _inverse_power(values: Array, beta: Any) -> None:
    """Replace values by values^-beta. For the usual beta of 3/4 two roots do, which run in vectors; pow does not."""
    if beta == 0.75:
        for k in range(values.size):
            root = np.sqrt(values[k])
            values[k] = np.float32(1) / (root * np.sqrt(root))
    else:
        _power((values.ctypes.data,), (-beta,), values.ctypes.data, values.size)
