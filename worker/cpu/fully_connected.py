"""FullyConnected with the bias and the activation behind it, for float32: each pass is one compiled function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...common.call_table import Row
from ...common.compiled_calls import integer, line, matrix
from ...common.jit import kernel
from ..array import Array, Arrays, Gradients, aligned_empty
from ..ops.operator import Step
from .elementwise import activation_row, slope_row
from .row_kernel import RowKernel
from .tile_product import COLUMNS, multiply

if TYPE_CHECKING:
    from ..ops.fully_connected import FullyConnected


class FullyConnectedKernel(RowKernel):
    """Forward and backward of FullyConnected -> activation (or none).

    data (N, ...), weight (F, D), bias (F,) -> (N, F) or (..., F), as the operator says; D is the length of a data row.
    """

    def __init__(self, op: FullyConnected, act_type: str | None) -> None:
        self.op, self.act_type = op, act_type

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Write f(x W^T + b)."""
        relu = self.act_type == "relu"
        rows = [Row(_forward, (*self._arrays(inputs), outputs[0], relu))]
        return rows if relu or not self.act_type else [*rows, activation_row(self.act_type, outputs[0], outputs[0])]

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Write dx = g W, dW = g^T x and db, the sum of g over rows, g = dy f'(x) being what stands before f."""
        grad, rows = out_grads[0], []
        if self.act_type:
            grad = aligned_empty(grad.shape)
            rows.append(slope_row(self.act_type, outputs[0], out_grads[0], grad))
        bias = None if self.op.no_bias else in_grads[2]
        return [*rows, Row(_backward, (*self._arrays(inputs), grad, in_grads[0], in_grads[1], bias))]

    def _arrays(self, inputs: Arrays) -> tuple[Any, ...]:
        """N, D, F, data, weight and bias, as the functions begin."""
        data, weight = inputs[0], inputs[1]
        features, depth = weight.shape
        return data.size // depth, depth, features, data, weight, None if self.op.no_bias else inputs[2]


@kernel
def _forward(at: int) -> int:
    n, d, f = integer(at, 0), integer(at, 1), integer(at, 2)
    data, weight, bias, out = integer(at, 3), integer(at, 4), integer(at, 5), integer(at, 6)
    weights, values = matrix(weight, f, d), matrix(out, n, f)
    panel, rest = np.empty((d, COLUMNS), np.float32), np.empty((n, COLUMNS), np.float32)
    for first in range(0, f, COLUMNS):
        used = min(COLUMNS, f - first)
        for j in range(used):
            for k in range(d):
                panel[k, j] = weights[first + j, k]
        if used == COLUMNS:
            multiply(data, (d, 1), panel.ctypes.data, COLUMNS, out + 4 * first, f, (0, 0), (n, 1, d), False)
        else:
            panel[:, used:] = 0
            multiply(data, (d, 1), panel.ctypes.data, COLUMNS, rest.ctypes.data, COLUMNS, (0, 0), (n, 1, d), False)
            for i in range(n):
                values[i, first:] = rest[i, :used]
    if bias:
        _add_bias(values, line(bias, f), integer(at, 7))
    elif integer(at, 7):
        _add_bias(values, np.zeros(f, np.float32), 1)
    return 0


@kernel
def _add_bias(out: Array, bias: Array, relu: int) -> None:
    for row in range(out.shape[0]):
        values = out[row]
        for i in range(bias.size):
            # In this order: where the first argument is NaN, max returns it, as numpy's maximum does.
            made = values[i] + bias[i]
            values[i] = max(made, np.float32(0)) if relu else made


@kernel
def _backward(at: int) -> int:
    n, d, f = integer(at, 0), integer(at, 1), integer(at, 2)
    data, weight, grad = integer(at, 3), integer(at, 4), integer(at, 6)
    if integer(at, 8):
        _multiply(grad, (1, f), data, integer(at, 8), (f, d, n))
    if integer(at, 9):
        total, values = line(integer(at, 9), f), matrix(grad, n, f)
        total[:] = 0
        for i in range(n):
            for j in range(f):
                total[j] += values[i, j]
    if integer(at, 7):
        _multiply(grad, (f, 1), weight, integer(at, 7), (n, d, f))
    return 0


@kernel
def _multiply(a: int, strides: tuple[int, int], b: int, c: int, shape: tuple[int, int, int]) -> None:
    """C (rows, columns) = A B for addresses of float32; `shape` is (rows, columns, depth), B and C are plain."""
    rows, columns, depth = shape
    panels = columns // COLUMNS
    multiply(a, strides, b, columns, c, columns, (COLUMNS, COLUMNS), (rows, panels, depth), False)
    first = panels * COLUMNS
    if first < columns:
        factor, made = np.zeros((depth, COLUMNS), np.float32), np.empty((rows, COLUMNS), np.float32)
        factor[:, : columns - first] = matrix(b, depth, columns)[:, first:]
        multiply(a, strides, factor.ctypes.data, COLUMNS, made.ctypes.data, COLUMNS, (0, 0), (rows, 1, depth), False)
        matrix(c, rows, columns)[:, first:] = made[:, : columns - first]
