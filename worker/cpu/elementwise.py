"""Activations in place, and their slopes from their outputs, for float32; and functions of one and two arrays.

Slopes follow from the outputs, so that inputs need not be kept and a kernel may overwrite them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ...common.call_table import Row
from ...common.compiled_calls import integer, line
from ...common.jit import kernel
from ..array import Array, Arrays, Gradients
from ..ops.operator import Step
from . import double_functions, functions
from .row_kernel import RowKernel
from .values import Value
from .vector_loops import mapped

# Each is non-decreasing, so that it may be applied after a max-pooling instead of before it.
MONOTONE = ("relu", "sigmoid", "tanh", "softrelu", "softsign")


class ActivationKernel(RowKernel):
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


def activate(act_type: str, values: Array) -> None:
    """Replace `values`, of any shape and in C order, by their activation `act_type`, one of MONOTONE."""
    flat = values.reshape(-1)
    FUNCTIONS[act_type](flat, flat)


def multiply_by_slope(act_type: str, out: Array, grad: Array, result: Array) -> Array:
    """result = grad * f'(x), from out = f(x); arrays of one shape, in C order. Returns `result`."""
    _SLOPES[act_type](out.reshape(-1), grad.reshape(-1), result.reshape(-1))
    return result


def _relu_of(x: Value) -> Value:
    return x.at_least(0.0)


def _softsign_of(x: Value) -> Value:
    """x / (1 + |x|); inf / inf would be NaN."""
    size = x.magnitude()
    return size.equals(math.inf).choose(x.like(1.0).with_sign_of(x), x / (size + 1.0))


def _larger_and_log1p(x: Value, y: Value) -> Value:
    """ln(e^x + e^y), which is the larger of them where both are infinite."""
    larger, gap = (x < y).choose(y, x), (x - y).magnitude()
    return x.equals(y).choose(x + math.log(2), larger + functions.log1p(functions.exp(-gap)))


_map_exp = mapped(functions.exp)
_map_expm1 = mapped(functions.expm1)
_map_log = mapped(functions.log)
_map_log1p = mapped(functions.log1p)
_map_erf = mapped(functions.erf)
_map_tanh = mapped(functions.tanh)
_map_sigmoid = mapped(functions.sigmoid)
_map_softrelu = mapped(functions.softrelu)
_map_softsign = mapped(_softsign_of)
_map_relu = mapped(_relu_of)
_map_softrelu_slope = mapped(lambda out, grad: -functions.expm1(-out) * grad)
_map_logaddexp = mapped(_larger_and_log1p)
_map_power = mapped(double_functions.power)


@kernel
def _exp(x: Array, out: Array) -> None:
    _map_exp((x.ctypes.data,), (), out.ctypes.data, x.size)


@kernel
def _expm1(x: Array, out: Array) -> None:
    _map_expm1((x.ctypes.data,), (), out.ctypes.data, x.size)


@kernel
def _log(x: Array, out: Array) -> None:
    _map_log((x.ctypes.data,), (), out.ctypes.data, x.size)


@kernel
def _log1p(x: Array, out: Array) -> None:
    _map_log1p((x.ctypes.data,), (), out.ctypes.data, x.size)


@kernel
def _erf(x: Array, out: Array) -> None:
    _map_erf((x.ctypes.data,), (), out.ctypes.data, x.size)


@kernel
def _tanh(x: Array, out: Array) -> None:
    _map_tanh((x.ctypes.data,), (), out.ctypes.data, x.size)


@kernel
def _sigmoid(x: Array, out: Array) -> None:
    _map_sigmoid((x.ctypes.data,), (), out.ctypes.data, x.size)


@kernel
def _softrelu(x: Array, out: Array) -> None:
    _map_softrelu((x.ctypes.data,), (), out.ctypes.data, x.size)


@kernel
def _softsign(x: Array, out: Array) -> None:
    _map_softsign((x.ctypes.data,), (), out.ctypes.data, x.size)


@kernel
def _relu(x: Array, out: Array) -> None:
    _map_relu((x.ctypes.data,), (), out.ctypes.data, x.size)


@kernel
def logaddexp(x: Array, y: Array, out: Array) -> None:
    """out = ln(e^x + e^y), of flat arrays of one length."""
    _map_logaddexp((x.ctypes.data, y.ctypes.data), (), out.ctypes.data, x.size)


@kernel
def power(x: Array, y: Array, out: Array) -> None:
    """out = x^y, of flat arrays of one length."""
    _map_power((x.ctypes.data, y.ctypes.data), (), out.ctypes.data, x.size)


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
    _map_relu((integer(at, 0),), (), integer(at, 1), integer(at, 2))
    return 0


@kernel
def _sigmoid_at(at: int) -> int:
    _map_sigmoid((integer(at, 0),), (), integer(at, 1), integer(at, 2))
    return 0


@kernel
def _tanh_at(at: int) -> int:
    _map_tanh((integer(at, 0),), (), integer(at, 1), integer(at, 2))
    return 0


@kernel
def _softrelu_at(at: int) -> int:
    _map_softrelu((integer(at, 0),), (), integer(at, 1), integer(at, 2))
    return 0


@kernel
def _softsign_at(at: int) -> int:
    _map_softsign((integer(at, 0),), (), integer(at, 1), integer(at, 2))
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


# (x, out): flat arrays of one length, which may be the same.
FUNCTIONS: dict[str, Callable[[Array, Array], None]] = {
    "exp": _exp,
    "expm1": _expm1,
    "log": _log,
    "log1p": _log1p,
    "erf": _erf,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "softrelu": _softrelu,
    "softsign": _softsign,
    "relu": _relu,
}
_SLOPES: dict[str, Callable[[Array, Array, Array], None]] = {
    "relu": _relu_slope,
    "sigmoid": _sigmoid_slope,
    "tanh": _tanh_slope,
    "softrelu": _softrelu_slope,
    "softsign": _softsign_slope,
}
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
