"""Functions of one array, element by element: exp, sqrt, tanh, round and the like, in one table."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from ..array import Array, Arrays
from . import special
from .activation import SLOPES, VALUES
from .elementwise import BaseElementwise
from .parameters import Float

Value = Callable[[Any, Array, Array], None]  # (xp, x, out): write f(x)
Slope = Callable[[Any, Array, Array, Array], None]  # (xp, x, y, out): write f'(x), where y = f(x)


@dataclass(frozen=True)
class Function:
    """A function and its derivative; None if that is 0 wherever it exists, as for steps."""

    value: Value
    slope: Slope | None


class Unary(BaseElementwise, abstract=True):
    """y = f(data), f being the subclass's `function`; all arrays have data's shape."""

    number_by_number = True

    function: ClassVar[Function]

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """y = f(x)."""
        self.function.value(xp, inputs[0], out)

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """dy f'(x)."""
        if self.function.slope is None:
            out.fill(0)
            return
        self.function.slope(xp, inputs[0], y, out)
        xp.multiply(out, dy, out=out)


def define(name: str, doc: str, value: Value | str, slope: Slope | None, *aliases: str) -> None:
    """Register the operator `name`; a `value` that is a string is the ufunc of that name."""
    function = Function(_ufunc(value) if isinstance(value, str) else value, slope)
    # Making the class registers it. __module__ would otherwise be that of type(), and docs/operators.md sorts by it.
    members = {"canonical": name, "aliases": aliases, "function": function, "blocks_gradient": slope is None}
    type(name.title(), (Unary,), {**members, "__doc__": doc, "__module__": __name__})


def _ufunc(name: str) -> Value:
    return lambda xp, x, out: getattr(xp, name)(x, out=out)


def _constant(factor: float) -> Slope:
    return lambda xp, x, y, out: out.fill(factor)


def _over(numerator: float, slope: Slope) -> Slope:
    """numerator / slope."""

    def divided(xp: Any, x: Array, y: Array, out: Array) -> None:
        slope(xp, x, y, out)
        xp.divide(numerator, out, out=out)

    return divided


def _over_root(numerator: float, slope: Slope) -> Slope:
    """numerator / sqrt(slope)."""

    def divided(xp: Any, x: Array, y: Array, out: Array) -> None:
        slope(xp, x, y, out)
        xp.sqrt(out, out=out)
        xp.divide(numerator, out, out=out)

    return divided


def _of_x(name: str, factor: float = 1.0) -> Slope:
    """factor times a ufunc of x."""

    def applied(xp: Any, x: Array, y: Array, out: Array) -> None:
        getattr(xp, name)(x, out=out)
        xp.multiply(out, factor, out=out)

    return applied


def _of_y(factor: float, power: int = 1, plus: float = 0.0) -> Slope:
    """factor y^power + plus."""

    def applied(xp: Any, x: Array, y: Array, out: Array) -> None:
        # Products, not xp.power: the powers are whole and at most 4.
        xp.multiply(y, factor, out=out)
        for _ in range(power - 1):
            xp.multiply(out, y, out=out)
        xp.add(out, plus, out=out)

    return applied


def _quadratic(a: float, b: float, c: float) -> Slope:
    """a x^2 + b x + c."""

    def applied(xp: Any, x: Array, y: Array, out: Array) -> None:
        if a:
            xp.multiply(x, a, out=out)
            xp.add(out, b, out=out)
            xp.multiply(out, x, out=out)
        else:  # 0 times infinity would be NaN
            xp.multiply(x, b, out=out)
        xp.add(out, c, out=out)

    return applied


def _round(xp: Any, x: Array, out: Array) -> None:
    """The nearest whole number, halves away from zero."""
    # modf knows that infinity has the fraction 0; inf - inf would be NaN.
    fraction, whole = xp.modf(x)
    # Twice the fraction is exact; floor(x + 0.5) would round the sum first, which makes 0.49999997 (float32) a 1.
    xp.add(whole, xp.trunc(2 * fraction), out=out)


def _rint(xp: Any, x: Array, out: Array) -> None:
    """The nearest whole number, halves downwards, as in MXNet (numpy's rint takes halves to the even one)."""
    # The fraction, which has x's sign, is exact, so a half is recognised as one, and 0 for infinity. NaN stays, as no
    # comparison with it holds.
    fraction, _ = xp.modf(x)
    xp.floor(x, out=out)
    xp.copyto(out, xp.ceil(x), where=(fraction > 0.5) | ((fraction > -0.5) & (fraction < 0)))


def _inverse(name: str) -> Value:
    """1 / the ufunc of that name."""

    def applied(xp: Any, x: Array, out: Array) -> None:
        getattr(xp, name)(x, out=out)
        xp.reciprocal(out, out=out)

    return applied


def _erf_slope(xp: Any, x: Array, y: Array, out: Array) -> None:
    xp.multiply(x, x, out=out)
    xp.negative(out, out=out)
    xp.exp(out, out=out)
    xp.multiply(out, 2 / math.sqrt(math.pi), out=out)


def _gamma_slope(xp: Any, x: Array, y: Array, out: Array) -> None:
    special.digamma(xp, x, out)
    xp.multiply(out, y, out=out)


# Powers and roots; slopes in powers of y where these are whole, such as -x^(-3/2) / 2 = -y^3 / 2 for rsqrt.
define("abs", "|data|; its slope at 0 is 0.", "absolute", _of_x("sign"))
define("sign", "-1, 0 or 1.", "sign", None)
define("negative", "-data.", "negative", _constant(-1))
define("reciprocal", "1 / data.", "reciprocal", _of_y(-1, 2))
define("square", "data^2.", "square", _quadratic(0, 2, 0))
define("sqrt", "The square root.", "sqrt", _over(0.5, _of_y(1)))
define("rsqrt", "1 / sqrt(data).", _inverse("sqrt"), _of_y(-0.5, 3))
define("cbrt", "The cube root.", "cbrt", _over(1, _of_y(3, 2)))
define("rcbrt", "1 / cbrt(data).", _inverse("cbrt"), _of_y(-1 / 3, 4))

# Steps: piecewise constant, so that no gradient passes.
define("round", "The nearest whole number, halves away from zero.", _round, None)
define("rint", "The nearest whole number, halves downwards.", _rint, None)
define("ceil", "Rounded up to a whole number.", "ceil", None)
define("floor", "Rounded down to a whole number.", "floor", None)
define("trunc", "Rounded towards zero to a whole number.", "trunc", None)
define("fix", "Rounded towards zero to a whole number.", "trunc", None)
define("logical_not", "1 where data is 0, else 0.", "logical_not", None)

# Exponentials and logarithms; log's slope 1 / x is written as 1 over the "quadratic" x.
define("exp", "e^data.", "exp", _of_y(1))
define("expm1", "e^data - 1, accurate for small data.", "expm1", _of_y(1, 1, 1))
define("log", "The natural logarithm.", "log", _over(1, _quadratic(0, 1, 0)))
define("log1p", "ln(1 + data), accurate for small data.", "log1p", _over(1, _quadratic(0, 1, 1)))
define("log2", "The logarithm to base 2.", "log2", _over(1 / math.log(2), _quadratic(0, 1, 0)))
define("log10", "The logarithm to base 10.", "log10", _over(1 / math.log(10), _quadratic(0, 1, 0)))

# Circular and hyperbolic functions: tan' = 1 + y^2, arcsin' = 1 / sqrt(1 - x^2), arctan' = 1 / (1 + x^2), and so on.
define("sin", "The sine, of radians.", "sin", _of_x("cos"))
define("cos", "The cosine, of radians.", "cos", _of_x("sin", -1))
define("tan", "The tangent, of radians.", "tan", _of_y(1, 2, 1))
define("arcsin", "The inverse sine, in radians.", "arcsin", _over_root(1, _quadratic(-1, 0, 1)))
define("arccos", "The inverse cosine, in radians.", "arccos", _over_root(-1, _quadratic(-1, 0, 1)))
define("arctan", "The inverse tangent, in radians.", "arctan", _over(1, _quadratic(1, 0, 1)))
define("degrees", "Radians as degrees.", "degrees", _constant(180 / math.pi))
define("radians", "Degrees as radians.", "radians", _constant(math.pi / 180))
define("sinh", "The hyperbolic sine.", "sinh", _of_x("cosh"))
define("cosh", "The hyperbolic cosine.", "cosh", _of_x("sinh"))
define("tanh", "The hyperbolic tangent.", VALUES["tanh"], SLOPES["tanh"])
define("arcsinh", "The inverse hyperbolic sine.", "arcsinh", _over_root(1, _quadratic(1, 0, 1)))
define("arccosh", "The inverse hyperbolic cosine.", "arccosh", _over_root(1, _quadratic(1, 0, -1)))
define("arctanh", "The inverse hyperbolic tangent.", "arctanh", _over(1, _quadratic(-1, 0, 1)))

# The functions of Activation, and special functions: gamma' = gamma digamma, and gammaln' = digamma.
define("relu", "max(data, 0).", VALUES["relu"], SLOPES["relu"])
define("sigmoid", "1 / (1 + e^-data).", VALUES["sigmoid"], SLOPES["sigmoid"])
define("softsign", "data / (1 + |data|).", VALUES["softsign"], SLOPES["softsign"])
define("erf", "The error function.", special.erf, _erf_slope)
define("gamma", "The gamma function.", special.gamma, _gamma_slope)
define("gammaln", "The logarithm of |gamma(data)|.", special.gammaln, lambda xp, x, y, out: special.digamma(xp, x, out))


class HardSigmoid(BaseElementwise):
    """y = alpha data + beta, limited to [0, 1], of data's shape; the slope is 0 at these limits and beyond."""

    canonical = "hard_sigmoid"
    alpha = Float(0.2)
    beta = Float(0.5)

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """y = min(max(alpha x + beta, 0), 1)."""
        xp.multiply(inputs[0], self.alpha, out=out)
        xp.add(out, self.beta, out=out)
        xp.clip(out, 0, 1, out=out)

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """alpha dy where 0 < y < 1, else 0: y (1 - y) is positive only there, and NaN stays NaN."""
        xp.subtract(1, y, out=out)
        xp.multiply(out, y, out=out)
        xp.sign(out, out=out)
        xp.multiply(out, self.alpha, out=out)
        xp.multiply(out, dy, out=out)


class ZerosLike(BaseElementwise):
    """Zeros of data's shape."""

    canonical = "zeros_like"
    blocks_gradient = True
    fill = 0.0

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """y = 0, or 1 in ones_like, of data's shape."""
        out.fill(self.fill)

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """0 everywhere, of data's shape: the output does not depend on data."""
        out.fill(0)


class OnesLike(ZerosLike):
    """Ones of data's shape."""

    canonical = "ones_like"
    fill = 1.0
