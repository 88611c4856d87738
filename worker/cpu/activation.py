"""Activations, in place or not, and their slopes from their outputs, for float32.

Slopes follow from the outputs, so that inputs need not be kept and a kernel may overwrite them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...common.call_table import Row
from ...common.compiled_calls import integer, line
from ...common.jit import kernel
from ..array import Array, Arrays, Gradients, aligned_empty
from ..ops.operator import Step
from . import elementwise, functions
from .row_kernel import ElementwiseKernel
from .vector_loops import mapped

# Each is non-decreasing, so that it may be applied after a max-pooling instead of before it.
MONOTONE = ("relu", "sigmoid", "tanh", "softrelu", "softsign")


class ActivationKernel(ElementwiseKernel):
    """Activation of data of any shape -> the same shape; the compiled loops see arrays as flat memory."""

    def __init__(self, act_type: str) -> None:
        self.act_type = act_type

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Write f(x)."""
        return [activation_row(self.act_type, inputs[0], outputs[0])]

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Write dy f'(x), computed from the output."""
        return [] if in_grads[0] is None else [slope_row(self.act_type, outputs[0], out_grads[0], in_grads[0])]


def activation_row(act_type: str, data: Array, out: Array) -> Row:
    """out = f(x) as a row of a table of calls, from arrays of one shape in C order; they may be the same."""
    return Row(_ACTIVATION_ROWS[act_type], (data, out, out.size))


def slope_row(act_type: str, out: Array, grad: Array, result: Array) -> Row:
    """result = grad * f'(x), from out = f(x), as a row of a table of calls; arrays of one shape, in C order."""
    return Row(_SLOPE_ROWS[act_type], (out, grad, result, out.size))


def before_activation(act_type: str | None, out: Array, grad: Array) -> tuple[Array, list[Row]]:
    """The gradient of what an activation was given, and the rows that write it from `grad`, that of its output `out`.

    Without an activation it is `grad` itself.
    """
    if not act_type:
        return grad, []
    given = aligned_empty(grad.shape)
    return given, [slope_row(act_type, out, grad, given)]


def slope_function(act_type: str) -> Any:
    """What `slope_row` calls: a function of the address of its arguments."""
    return _SLOPE_ROWS[act_type]


_map_softrelu_slope = mapped(lambda out, grad: -functions.expm1(-out) * grad)


# Constants are np.float32 throughout: a Python float would make numba compute in double precision.
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
    # sigmoid(x) = 1 - e^-y, of which expm1 keeps small values' digits
    _map_softrelu_slope((out.ctypes.data, grad.ctypes.data), (), result.ctypes.data, out.size)


@kernel
def _softsign_slope(out: Array, grad: Array, result: Array) -> None:
    for i in range(out.size):
        rest = np.float32(1) - abs(out[i])  # 1 / (1 + |x|), whose square is the slope
        result[i] = grad[i] * rest * rest


@kernel
def _relu_at(at: int) -> int:
    n = integer(at, 2)
    elementwise.relu(line(integer(at, 0), n), line(integer(at, 1), n))
    return 0


@kernel
def _sigmoid_at(at: int) -> int:
    n = integer(at, 2)
    elementwise.sigmoid(line(integer(at, 0), n), line(integer(at, 1), n))
    return 0


@kernel
def _tanh_at(at: int) -> int:
    n = integer(at, 2)
    elementwise.tanh(line(integer(at, 0), n), line(integer(at, 1), n))
    return 0


@kernel
def _softrelu_at(at: int) -> int:
    n = integer(at, 2)
    elementwise.softrelu(line(integer(at, 0), n), line(integer(at, 1), n))
    return 0


@kernel
def _softsign_at(at: int) -> int:
    n = integer(at, 2)
    elementwise.softsign(line(integer(at, 0), n), line(integer(at, 1), n))
    return 0


@kernel
def _relu_slope_at(at: int) -> int:
    n = integer(at, 3)
    _relu_slope(line(integer(at, 0), n), line(integer(at, 1), n), line(integer(at, 2), n))
    return 0


@kernel
def _sigmoid_slope_at(at: int) -> int:
    n = integer(at, 3)
    _sigmoid_slope(line(integer(at, 0), n), line(integer(at, 1), n), line(integer(at, 2), n))
    return 0


@kernel
def _tanh_slope_at(at: int) -> int:
    n = integer(at, 3)
    _tanh_slope(line(integer(at, 0), n), line(integer(at, 1), n), line(integer(at, 2), n))
    return 0


@kernel
def _softrelu_slope_at(at: int) -> int:
    n = integer(at, 3)
    _softrelu_slope(line(integer(at, 0), n), line(integer(at, 1), n), line(integer(at, 2), n))
    return 0


@kernel
def _softsign_slope_at(at: int) -> int:
    n = integer(at, 3)
    _softsign_slope(line(integer(at, 0), n), line(integer(at, 1), n), line(integer(at, 2), n))
    return 0


_ACTIVATION_ROWS: dict[str, Callable[[int], int]] = {
    "relu": _relu_at,
    "sigmoid": _sigmoid_at,
    "tanh": _tanh_at,
    "softrelu": _softrelu_at,
    "softsign": _softsign_at,
}
_SLOPE_ROWS: dict[str, Callable[[int], int]] = {
    "relu": _relu_slope_at,
    "sigmoid": _sigmoid_slope_at,
    "tanh": _tanh_slope_at,
    "softrelu": _softrelu_slope_at,
    "softsign": _softsign_slope_at,
}
