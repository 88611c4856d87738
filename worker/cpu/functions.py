"""exp, log, tanh and their kin in single precision, as functions of `Value`: our own, so that their bits are everywhere
the same.

Those of the C library and of numpy differ from processor to processor. All of these are right at 0, -0, infinity, NaN,
for subnormal numbers and where they overflow, within 2 units in the last place elsewhere, and free of branches. The
polynomials are minimax fits of our own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .values import Value, Whole

LOG2_E = 1.4426950408889634
# ln 2 in two parts: a small whole number times the first is exact.
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440054690583e-4
# Added to a number and taken away again, it rounds it to a whole one, which then stands in the lowest bits of the sum.
ROUNDER = 1.5 * 2**23
ROUNDER_BITS = 0x4B400000
ONE_BITS, FRACTION = 0x3F800000, 23  # the bits of 1.0, and how many of them follow the exponent
ROOT_HALF_BITS = 0x3F3504F3
SMALLEST_NORMAL = 2.0**-126

# (e^r - 1 - r) / r^2 where |r| <= ln(2) / 2, within 2^-32 of e^r - 1.
_EXP = (0.5, 0.166666657, 0.0416663624, 0.00833338965, 0.00139406277, 0.000198458773)
# (ln(1 + f) - f + f^2 / 2) / f^3 where sqrt(1/2) <= 1 + f <= sqrt(2), within 2^-30 of the logarithm.
_LOG = (
    0.333333135,
    -0.250000089,
    0.200021192,
    -0.166679963,
    0.142195508,
    -0.124055915,
    0.118881747,
    -0.116756409,
    0.0674660131,
)
# erf(x) / x - 1 by x^2 where |x| <= 1, within 2^-29, and -ln(1 - erf(x)) from there to 3.95, where erf(x) rounds to 1.
_ERF_NEAR = (0.128379166, -0.37612626, 0.112835854, -0.026853811, 0.00518832775, -0.000801019254, 7.85385782e-05)
_ERF_FAR = (
    -0.000188470527,
    1.12958038,
    0.633216381,
    0.10842213,
    -0.0252103582,
    0.00420529116,
    -0.000441473967,
    2.1697726e-05,
)


def polynomial(x: Value, coefficients: Sequence[float]) -> Value:
    """The sum of coefficients[k] x^k, by a chain of fused multiply-adds from the highest power down."""
    total = x.like(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total.fma(x, coefficient)
    return total


def exp(x: Value) -> Value:
    """e^x."""
    n, part = _parts_of_exponent(x.at_most(89.0).at_least(-104.0))
    # In two steps, as the power of two alone may overflow, or be subnormal, where the result is not.
    half = n >> 1
    return (part + 1.0) * _power_of_two(half) * _power_of_two(n - half)


def expm1(x: Value) -> Value:
    """e^x - 1, without losing the digits of a small x."""
    n, part = _parts_of_exponent(x.at_most(89.0).at_least(-18.0))
    half = _power_of_two(n - 1)  # twice which may overflow only with the result
    made = part.fma(half, half - 0.5) * 2.0
    return x.equals(0.0).choose(x, made)  # -0 stays -0


def log(x: Value) -> Value:
    """The natural logarithm; -inf at 0, NaN below."""
    small = x.magnitude() < SMALLEST_NORMAL
    exponent, fraction = _parts_of_number(small.choose(x * 2.0**FRACTION, x))
    n = exponent.as_number()
    return _beyond_logarithm(x, _logarithm(small.choose(n - float(FRACTION), n), fraction - 1.0))


def log1p(x: Value) -> Value:
    """ln(1 + x), without losing the digits of a small x; -inf at -1, NaN below."""
    total = 1.0 + x
    # What rounding took from the sum goes into the fraction, scaled as the sum is.
    kept = total - 1.0
    lost = (1.0 - (total - kept)) + (x - kept)
    exponent, fraction = _parts_of_number(total)
    twice = (ONE_BITS + (1 << FRACTION) - (exponent << FRACTION)).number()  # the scale itself may be subnormal
    made = _logarithm(exponent.as_number(), (lost * 0.5).fma(twice, fraction - 1.0))
    return x.equals(0.0).choose(x, _beyond_logarithm(total, made))


def tanh(x: Value) -> Value:
    """The hyperbolic tangent, -t / (2 + t) with t = e^-2|x| - 1."""
    t = expm1(x.magnitude() * -2.0)
    return _over_sum(t, 2.0, t).with_sign_of(x)


def sigmoid(x: Value) -> Value:
    """1 / (1 + e^-x), in which nothing overflows."""
    e = exp(-x.magnitude())
    return _over_sum((x < 0.0).choose(e, 1.0), 1.0, e)


def softrelu(x: Value) -> Value:
    """ln(1 + e^x), in which nothing overflows."""
    return x.at_least(0.0) + log1p(exp(-x.magnitude()))


def erf(x: Value) -> Value:
    """The error function, 2 / sqrt(pi) times the integral of e^-t^2 from 0 to x."""
    near = x.fma(polynomial(x * x, _ERF_NEAR), x)
    size = x.magnitude().at_most(3.95)
    far = (1.0 - exp(-polynomial(size, _ERF_FAR))).with_sign_of(x)
    return (x.magnitude() > 1.0).choose(far, near)


def _over_sum(number: Value, large: float, small: Value) -> Value:
    """number / (large + small), for |small| <= large: the rounding of the sum and of the quotient are made good."""
    total = small + large
    inverse = 1.0 / total
    quotient = number * inverse
    lost = small - (total - large)
    rest = (-quotient).fma(lost, (-quotient).fma(total, number))
    return rest.fma(inverse, quotient)


def _parts_of_exponent(x: Value) -> tuple[Whole, Value]:
    """n and e^r - 1, where x = n ln 2 + r with a whole n and |r| <= ln(2) / 2."""
    shifted = x.fma(LOG2_E, ROUNDER)
    n = shifted - ROUNDER
    r = n.fma(-LN2_LOW, n.fma(-LN2_HIGH, x))
    return shifted.bits() - ROUNDER_BITS, (r * r).fma(polynomial(r, _EXP), r)


def _power_of_two(n: Whole) -> Value:
    """2^n where that is a normal number."""
    return ((n << FRACTION) + ONE_BITS).number()


def _parts_of_number(x: Value) -> tuple[Whole, Value]:
    """e and m where x = 2^e m with sqrt(1/2) <= m < sqrt(2), for a normal x above 0."""
    exponent = (x.bits() - ROOT_HALF_BITS) >> FRACTION
    return exponent, (x.bits() - (exponent << FRACTION)).number()


def _logarithm(exponent: Value, f: Value) -> Value:
    """exponent * ln 2 + ln(1 + f), the small parts first."""
    square = f * f
    small = exponent.fma(LN2_LOW, square * f * polynomial(f, _LOG))
    return exponent.fma(LN2_HIGH, f + square.fma(-0.5, small))


def _beyond_logarithm(x: Value, made: Value) -> Value:
    """`made`, the logarithm of x, but right where x is not a positive finite number."""
    made = x.equals(math.inf).choose(math.inf, made)
    made = x.equals(0.0).choose(-math.inf, made)
    return ((x > 0.0) | x.equals(0.0)).choose(made, math.nan)
