"""Arithmetic of an array and a number, written straight into the output without temporary arrays."""

from __future__ import annotations

import math
from typing import Any

from ..array import Array, Arrays
from .elementwise import BaseElementwise
from .parameters import Bool, Float


class _Scalar(BaseElementwise, abstract=True):
    """y = f(data, scalar), of data's shape."""

    number_by_number = True

    scalar = Float(1.0)
    is_int = Bool(True)  # written by newer files and ignored: arrays here are of one floating type


class PlusScalar(_Scalar):
    """data + scalar."""

    canonical = "_plus_scalar"
    aliases = ("_PlusScalar",)
    joins_slices = True

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """y = x + s."""
        xp.add(inputs[0], self.scalar, out=out)

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """dy."""
        out[...] = dy


class MinusScalar(_Scalar):
    """data - scalar."""

    canonical = "_minus_scalar"
    aliases = ("_MinusScalar",)
    joins_slices = True

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """y = x - s."""
        xp.subtract(inputs[0], self.scalar, out=out)

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """dy."""
        out[...] = dy


class RMinusScalar(_Scalar):
    """scalar - data."""

    canonical = "_rminus_scalar"
    aliases = ("_RMinusScalar",)
    joins_slices = True

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """y = s - x."""
        xp.subtract(self.scalar, inputs[0], out=out)

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """-dy."""
        xp.negative(dy, out=out)


class MulScalar(_Scalar):
    """data * scalar."""

    canonical = "_mul_scalar"
    aliases = ("_MulScalar",)
    joins_slices = True

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """y = s x."""
        xp.multiply(inputs[0], self.scalar, out=out)

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """s dy."""
        xp.multiply(dy, self.scalar, out=out)


class DivScalar(_Scalar):
    """data / scalar."""

    canonical = "_div_scalar"
    aliases = ("_DivScalar",)
    joins_slices = True

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """y = x / s."""
        xp.divide(inputs[0], self.scalar, out=out)

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """dy / s."""
        xp.divide(dy, self.scalar, out=out)


class RDivScalar(_Scalar):
    """scalar / data."""

    canonical = "_rdiv_scalar"
    aliases = ("_RDivScalar",)

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """y = s / x."""
        xp.divide(self.scalar, inputs[0], out=out)

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """-dy y / x."""
        xp.divide(y, inputs[0], out=out)
        xp.negative(out, out=out)
        xp.multiply(out, dy, out=out)


class PowerScalar(_Scalar):
    """data ** scalar."""

    canonical = "_power_scalar"
    aliases = ("_PowerScalar",)

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """y = x^s."""
        xp.power(inputs[0], self.scalar, out=out)

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """dy s x^(s-1)."""
        # Not s y / x, which is NaN where x is 0.
        xp.power(inputs[0], self.scalar - 1, out=out)
        xp.multiply(out, self.scalar, out=out)
        xp.multiply(out, dy, out=out)


class RPowerScalar(_Scalar):
    """scalar ** data; the gradient is NaN unless scalar is positive."""

    canonical = "_rpower_scalar"
    aliases = ("_RPowerScalar",)

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """y = s^x."""
        xp.power(self.scalar, inputs[0], out=out)

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """dy y ln s."""
        # Python's math.log raises for such numbers, where numpy gives NaN.
        xp.multiply(y, math.log(self.scalar) if self.scalar > 0 else math.nan, out=out)
        xp.multiply(out, dy, out=out)
