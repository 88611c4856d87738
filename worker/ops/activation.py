"""Activation: one nonlinear function for every element.

VALUES and SLOPES hold the functions by name; the operators relu, sigmoid, ... in unary.py use the same ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..array import Array, Arrays
from .elementwise import BaseElementwise
from .parameters import Choice


class Activation(BaseElementwise):
    """y = f(data), f being relu, sigmoid, tanh, softrelu (ln(1 + e^x)) or softsign (x / (1 + |x|)).

    data and y have one shape of any number of axes. All of them keep NaN, so that a diverged training is noticed.
    """

    number_by_number = True

    act_type = Choice("relu", "sigmoid", "tanh", "softrelu", "softsign")

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """y = f(x)."""
        VALUES[self.act_type](xp, inputs[0], out)

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """dy f'(x), where f' is computed from y if it can be."""
        SLOPES[self.act_type](xp, inputs[0], y, out)
        xp.multiply(out, dy, out=out)


# Slopes are computed from y wherever it suffices: fused kernels keep only y, and the slope then costs no second exp.


def _relu(xp: Any, x: Array, out: Array) -> None:
    xp.maximum(x, 0, out=out)


def _relu_slope(xp: Any, x: Array, y: Array, out: Array) -> None:
    """1 above zero, else 0; NaN where y is NaN, which a comparison would turn into 0."""
    xp.sign(y, out=out)


def _sigmoid(xp: Any, x: Array, out: Array) -> None:
    """1 / (1 + e^-x), computed as e^-ln(1 + e^-x), which cannot overflow and stays accurate where it is small."""
    xp.negative(x, out=out)
    xp.logaddexp(out, 0, out=out)
    xp.negative(out, out=out)
    xp.exp(out, out=out)


def _sigmoid_slope(xp: Any, x: Array, y: Array, out: Array) -> None:
    """y (1 - y)."""
    xp.subtract(1, y, out=out)
    xp.multiply(out, y, out=out)


def _tanh(xp: Any, x: Array, out: Array) -> None:
    xp.tanh(x, out=out)


def _tanh_slope(xp: Any, x: Array, y: Array, out: Array) -> None:
    """1 - y^2."""
    xp.multiply(y, y, out=out)
    xp.subtract(1, out, out=out)


def _softrelu(xp: Any, x: Array, out: Array) -> None:
    xp.logaddexp(x, 0, out=out)


def _softrelu_slope(xp: Any, x: Array, y: Array, out: Array) -> None:
    """sigmoid(x) = 1 - e^-y; expm1 keeps the digits where y is small."""
    xp.negative(y, out=out)
    xp.expm1(out, out=out)
    xp.negative(out, out=out)


def _softsign(xp: Any, x: Array, out: Array) -> None:
    """x / (1 + |x|), and 1 or -1 at infinity, which the largest number gives as well; inf / inf would be NaN."""
    largest = np.finfo(x.dtype).max
    x = xp.clip(x, -largest, largest)
    xp.absolute(x, out=out)
    xp.add(out, 1, out=out)
    xp.divide(x, out, out=out)


def _softsign_slope(xp: Any, x: Array, y: Array, out: Array) -> None:
    """1 / (1 + |x|)^2; the quotient first, as the square of a large number would overflow with a warning."""
    xp.absolute(x, out=out)
    xp.add(out, 1, out=out)
    xp.reciprocal(out, out=out)
    xp.multiply(out, out, out=out)


VALUES: dict[str, Callable[[Any, Array, Array], None]] = {
    "relu": _relu,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "softrelu": _softrelu,
    "softsign": _softsign,
}
SLOPES: dict[str, Callable[[Any, Array, Array, Array], None]] = {
    "relu": _relu_slope,
    "sigmoid": _sigmoid_slope,
    "tanh": _tanh_slope,
    "softrelu": _softrelu_slope,
    "softsign": _softsign_slope,
}
