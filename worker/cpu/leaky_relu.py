"""LeakyReLU for float32 in one pass; rrelu, which draws random slopes, is left to the plain version."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...common.jit import kernel
from ..array import Array, Arrays, Gradients
from ..ops.leaky_relu import LeakyReLU
from ..ops.operator import Step
from .functions import erf, exp, expm1
from .values import Value
from .vector_loops import mapped, summed


class LeakyReLUKernel:
    """data (N, C, ...), and for prelu gamma (C,) or (1,) -> data's shape. Three functions serve the five kinds.

    leaky and prelu multiply by a slope below zero, prelu's being one per channel; elu and selu differ in two factors;
    gelu stands alone.
    """

    def __init__(self, op: LeakyReLU) -> None:
        self.op, self.joins_slices = op, op.act_type != "prelu"  # whose gamma all rows share
        self.above, self.below = np.float32(op.above()), np.float32(op.steepness())

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write f(x)."""
        x, y = inputs[0], outputs[0]
        if self.op.act_type == "gelu":
            _gelu(x.reshape(-1), y.reshape(-1))
        elif self.op.act_type in ("elu", "selu"):
            _exponential(x.reshape(-1), y.reshape(-1), self.above, self.below)
        else:
            slopes = self._slopes(inputs)
            _leaky(_by_slope(x, slopes), _by_slope(y, slopes), slopes)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write data's gradient, dy f'(x), and prelu's for gamma."""
        x, head, grad = inputs[0], out_grads[0], in_grads[0]
        if grad is not None:
            self._data_gradient(inputs, outputs[0], head, grad)
        if len(in_grads) > 1 and in_grads[1] is not None:
            slopes = self._slopes(inputs)
            sums = np.zeros(slopes.size)  # in float64: each is over the whole batch and plane
            _gamma_sums(_by_slope(x, slopes), _by_slope(head, slopes), sums)
            in_grads[1][:] = sums

    def _data_gradient(self, inputs: Arrays, y: Array, head: Array, grad: Array) -> None:
        x = inputs[0]
        if self.op.act_type == "gelu":
            _gelu_gradient(x.reshape(-1), head.reshape(-1), grad.reshape(-1))
        elif self.op.act_type in ("elu", "selu"):
            _exponential_gradient(y.reshape(-1), head.reshape(-1), grad.reshape(-1), self.above, self.below)
        else:
            slopes = self._slopes(inputs)
            _leaky_gradient(_by_slope(x, slopes), _by_slope(head, slopes), _by_slope(grad, slopes), slopes)

    def _slopes(self, inputs: Arrays) -> Array:
        """One slope (1,), or one for each channel (C,)."""
        return inputs[1] if self.op.act_type == "prelu" else np.full(1, self.op.slope, np.float32)


def _by_slope(array: Array, slopes: Array) -> Array:
    """`array` as (rows, slopes, elements), sharing its memory."""
    # With one slope for all, the whole array is one row of one channel: one long loop.
    rows = len(array) if slopes.size > 1 else 1
    return array.reshape(rows, slopes.size, array.size // max(1, rows * slopes.size))


@kernel
def _leaky(x: Array, y: Array, slopes: Array) -> None:
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            source, target, slope = x[i, c], y[i, c], slopes[c]
            for k in range(source.size):
                value = source[k]
                target[k] = value if value > 0 else value * slope  # a NaN takes the second way, and stays one


@kernel
def _leaky_gradient(x: Array, head: Array, grad: Array, slopes: Array) -> None:
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            source, above, target, slope = x[i, c], head[i, c], grad[i, c], slopes[c]
            for k in range(source.size):
                target[k] = above[k] if source[k] > 0 else above[k] * slope


def _gamma_term(x: Value, head: Value) -> Value:
    """head * min(x, 0) in double precision; a NaN counts."""
    return (x > 0.0).choose(0.0, x).double() * head.double()


def _exponential_of(x: Value, above: Value, below: Value) -> Value:
    return (x > 0.0).choose(x * above, expm1(x) * below)  # e^x - 1 would lose small values' digits


def _below(x: Value) -> Value:
    """The probability that a normal variable is below x."""
    return (erf(x * math.sqrt(0.5)) + 1.0) * 0.5


def _gelu_slope(x: Value, head: Value) -> Value:
    """The slope of x P(x) is P(x) + x p(x), with the normal distribution P and its density p."""
    return (_below(x) + x * (1 / math.sqrt(2 * math.pi)) * exp(x * -0.5 * x)) * head


_sum_gamma, _map_exponential = summed(_gamma_term), mapped(_exponential_of)
_map_gelu, _map_gelu_slope = mapped(lambda x: _below(x) * x), mapped(_gelu_slope)


@kernel
def _gamma_sums(x: Array, head: Array, sums: Array) -> None:
    """sums (slopes,) += head * min(x, 0), over rows and elements."""
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            sums[c] += _sum_gamma((x[i, c].ctypes.data, head[i, c].ctypes.data), (), x.shape[2])


@kernel
def _exponential(x: Array, y: Array, above: Any, below: Any) -> None:
    _map_exponential((x.ctypes.data,), (above, below), y.ctypes.data, x.size)


@kernel
def _exponential_gradient(y: Array, head: Array, grad: Array, above: Any, below: Any) -> None:
    for k in range(y.size):
        # Below zero y = below * (e^x - 1), so that its slope below * e^x is y + below, without another exponential.
        grad[k] = head[k] * (above if y[k] > 0 else y[k] + below)


@kernel
def _gelu(x: Array, y: Array) -> None:
    _map_gelu((x.ctypes.data,), (), y.ctypes.data, x.size)


@kernel
def _gelu_gradient(x: Array, head: Array, grad: Array) -> None:
    _map_gelu_slope((x.ctypes.data, head.ctypes.data), (), grad.ctypes.data, x.size)
