"""Activations in place, and their slopes from their outputs, for float32.

Slopes follow from the outputs, so that inputs need not be kept and a kernel may overwrite them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ...common.call_table import Row, in_python
from ...common.compiled_calls import integer, line
from ...common.jit import kernel
from ..array import Array, Arrays, Gradients
from ..ops.operator import Step
from .row_kernel import RowKernel

# Each is non-decreasing, so that it may be applied after a max-pooling instead of before it.
MONOTONE = ("relu", "sigmoid", "tanh", "softrelu", "softsign")


class ActivationKernel(RowKernel):
    """Activation of data of any shape -> the same shape; the compiled loops see arrays as flat memory."""

    def __init__(self, act_type: str) -> None:
        self.act_type = act_type

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Write f(x)."""
        if self.act_type == "relu":
            return [Row(_relu, (inputs[0], outputs[0], inputs[0].size))]
        return [in_python(partial(_activation, self.act_type, inputs[0], outputs[0]))]

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Write dy f'(x), computed from the output."""
        return [] if in_grads[0] is None else [slope_row(self.act_type, outputs[0], out_grads[0], in_grads[0])]


def slope_row(act_type: str, out: Array, grad: Array, result: Array) -> Row:
    """result = grad * f'(x), from out = f(x), as a row; arrays of one shape, in C order."""
    return Row(_slope, (MONOTONE.index(act_type), out, grad, result, out.size))


def _activation(act_type: str, data: Array, out: Array) -> None:
    np.copyto(out, data)
    activate(act_type, out)


def activate(act_type: str, values: Array) -> None:
    """Replace `values`, of any shape and in C order, by their activation `act_type`, one of MONOTONE.

    numpy has vectorised relu and tanh itself; the others are compiled here.
    """
    if act_type == "relu":
        np.maximum(values, 0, out=values)
    elif act_type == "tanh":
        np.tanh(values, out=values)
    else:
        _ACTIVATIONS[act_type](values.reshape(-1))


def multiply_by_slope(act_type: str, out: Array, grad: Array, result: Array) -> Array:
    """result = grad * f'(x), from out = f(x); arrays of one shape, in C order. Returns `result`."""
    _SLOPES[act_type](out.reshape(-1), grad.reshape(-1), result.reshape(-1))
    return result


# Constants are np.float32 throughout: a Python float would make numba compute in double precision.
@kernel
def _sigmoid(values: Array) -> None:
    for i in range(values.size):
        # Far below zero exp overflows to infinity, without a warning here, and the quotient is 0, as it should be.
        values[i] = np.float32(1) / (np.float32(1) + np.exp(-values[i]))


@kernel
def _softrelu(values: Array) -> None:
    for i in range(values.size):
        x = values[i]
        values[i] = max(x, np.float32(0)) + np.log1p(np.exp(-abs(x)))  # ln(1 + e^x) would overflow for large x


@kernel
def _softsign(values: Array) -> None:
    for i in range(values.size):
        x = values[i]
        # inf / inf would be NaN
        values[i] = np.copysign(np.float32(1), x) if abs(x) == np.inf else x / (np.float32(1) + abs(x))


@kernel
def _relu_slope(out: Array, grad: Array, result: Array) -> None:
    for i in range(out.size):
        # Where the output is 0, |grad * out| is 0 as well, but NaN for a gradient that is NaN or infinite; and it is
        # NaN where the output is NaN. So a diverged training is noticed, as with the plain version, which multiplies.
        result[i] = grad[i] if out[i] > 0 else abs(grad[i] * out[i])


@kernel
def _sigmoid_slope(out: Array, grad: Array, result: Array) -> None:
    for i in range(out.size):
        result[i] = grad[i] * out[i] * (np.float32(1) - out[i])


@kernel
def _tanh_slope(out: Array, grad: Array, result: Array) -> None:
    for i in range(out.size):
        result[i] = grad[i] * (np.float32(1) - out[i] * out[i])


@kernel
def _softrelu_slope(out: Array, grad: Array, result: Array) -> None:
    for i in range(out.size):
        result[i] = grad[i] * -np.expm1(-out[i])  # sigmoid(x) = 1 - e^-y, of which expm1 keeps small values' digits


@kernel
def _softsign_slope(out: Array, grad: Array, result: Array) -> None:
    for i in range(out.size):
        rest = np.float32(1) - abs(out[i])  # 1 / (1 + |x|), whose square is the slope
        result[i] = grad[i] * rest * rest


@kernel
def _relu(at: int) -> int:
    data, out = line(integer(at, 0), integer(at, 2)), line(integer(at, 1), integer(at, 2))
    for i in range(data.size):
        # In this order: where the first argument is NaN, max returns it, as numpy's maximum does.
        out[i] = max(data[i], np.float32(0))
    return 0


@kernel
def _slope(at: int) -> int:
    which, size = integer(at, 0), integer(at, 4)
    out, grad, result = line(integer(at, 1), size), line(integer(at, 2), size), line(integer(at, 3), size)
    if which == 0:
        _relu_slope(out, grad, result)
    elif which == 1:
        _sigmoid_slope(out, grad, result)
    elif which == 2:
        _tanh_slope(out, grad, result)
    elif which == 3:
        _softrelu_slope(out, grad, result)
    else:
        _softsign_slope(out, grad, result)
    return 0


_ACTIVATIONS: dict[str, Callable[[Array], None]] = {
    "sigmoid": _sigmoid,
    "softrelu": _softrelu,
    "softsign": _softsign,
}
_SLOPES: dict[str, Callable[[Array, Array, Array], None]] = {
    "relu": _relu_slope,
    "sigmoid": _sigmoid_slope,
    "tanh": _tanh_slope,
    "softrelu": _softrelu_slope,
    "softsign": _softsign_slope,
}
