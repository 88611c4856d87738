"""Activations in place, and their slopes from their outputs, for float32.

Slopes follow from the outputs, so that inputs need not be kept and a kernel may overwrite them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...common.jit import kernel
from ..array import Array, Arrays, Gradients
from ..ops.operator import Step

# Each is non-decreasing, so that it may be applied after a max-pooling instead of before it.
MONOTONE = ("relu", "sigmoid", "tanh", "softrelu", "softsign")


class ActivationKernel:
    """Activation of data of any shape -> the same shape; the compiled loops see arrays as flat memory."""

    def __init__(self, act_type: str) -> None:
        self.act_type = act_type

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write f(x)."""
        np.copyto(outputs[0], inputs[0])
        activate(self.act_type, outputs[0])

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write dy f'(x), computed from the output."""
        if in_grads[0] is not None:
            multiply_by_slope(self.act_type, outputs[0], out_grads[0], in_grads[0])


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
