"""exp, log and log1p in double precision, and what single precision takes through them: powers, and more.

Their polynomials are Taylor's, cut where a double ends. As those of functions.py they are free of branches, right at
the ends of their ranges, and give the same bits everywhere.
"""

from __future__ import annotations

import math

from .functions import LOG2_E, polynomial
from .values import Value, Whole

LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # a whole number times the first is exact
ROUNDER = 1.5 * 2**52  # as in functions.py
ROUNDER_BITS = 0x4338000000000000
ONE_BITS, FRACTION = 0x3FF0000000000000, 52
ROOT_HALF_BITS = 0x3FE6A09E667F3BCD
SMALLEST_NORMAL = 2.0**-1022

_EXP = tuple(1 / math.factorial(k + 2) for k in range(13))  # (e^r - 1 - r) / r^2 where |r| <= ln(2) / 2
_LOG = tuple(2 / (2 * k + 3) for k in range(11))  # (ln((1 + s) / (1 - s)) - 2 s) / s^3 by s^2, |s| <= 0.172


def exp(x: Value) -> Value:
    """e^x."""
    x = x.at_most(710.0).at_least(-746.0)
    shifted = x.fma(LOG2_E, ROUNDER)
    n, whole = shifted - ROUNDER, shifted.bits() - ROUNDER_BITS
    r = n.fma(-LN2_LOW, n.fma(-LN2_HIGH, x))
    half = whole >> 1  # the power of two alone may overflow, or be subnormal, where the result is not
    return ((r * r).fma(polynomial(r, _EXP), r) + 1.0) * _power_of_two(half) * _power_of_two(whole - half)


def log(x: Value) -> Value:
    """The natural logarithm; -inf at 0, NaN below."""
    small = x < SMALLEST_NORMAL
    exponent, fraction = _parts_of_number(small.choose(x * 2.0**FRACTION, x))
    n = exponent.as_number()
    return _beyond_logarithm(x, _logarithm(small.choose(n - float(FRACTION), n), fraction - 1.0))


def log1p(x: Value) -> Value:
    """ln(1 + x), without losing the digits of a small x; -inf at -1, NaN below."""
    total = x + 1.0
    # ln(1 + x) is that of the rounded sum plus, nearly, what rounding took from it, divided by it.
    kept = total - 1.0
    lost = (1.0 - (total - kept)) + (x - kept)
    made = log(total)
    made = (made.magnitude() < math.inf).choose(made + lost / total, made)
    return x.equals(0.0).choose(x, made)


def power(x: Value, y: Value) -> Value:
    """x^y of single precision, within one unit in the last place, with the exceptions of C's pow."""
    base, exponent = x.magnitude(), y.double()
    made = exp(exponent * log(base.double())).single()
    # A whole exponent takes a negative base, and an odd one keeps its sign.
    whole, odd = y.equals(y.floor()), (y * 0.5).differs((y * 0.5).floor())
    made = ((x < 0.0) & (x > -math.inf) & y.differs(y.floor())).choose(math.nan, made)
    made = (whole & odd).choose(made.with_sign_of(x), made)
    # 1 to whatever power is 1, as is whatever to the power 0; an infinite exponent counts as even.
    made = (base.equals(1.0) & y.magnitude().equals(math.inf)).choose(1.0, made)
    return (x.equals(1.0) | y.equals(0.0)).choose(1.0, made)


def _power_of_two(n: Whole) -> Value:
    """2^n where that is a normal number."""
    return ((n << FRACTION) + ONE_BITS).number()


def _parts_of_number(x: Value) -> tuple[Whole, Value]:
    """e and m where x = 2^e m with sqrt(1/2) <= m < sqrt(2), for a normal x above 0."""
    exponent = (x.bits() - ROOT_HALF_BITS) >> FRACTION
    return exponent, (x.bits() - (exponent << FRACTION)).number()


def _logarithm(exponent: Value, f: Value) -> Value:
    """exponent * ln 2 + ln(1 + f), the small parts first. With s = f / (2 + f), ln(1 + f) = ln((1 + s) / (1 - s))."""
    s, half = f / (f + 2.0), f * f * 0.5
    square = s * s
    # 2 s = f - s f = f - f^2 / 2 + s f^2 / 2, of which the first part is exact.
    small = exponent.fma(LN2_LOW, s * square.fma(polynomial(square, _LOG), half))
    return exponent.fma(LN2_HIGH, f - (half - small))


def _beyond_logarithm(x: Value, made: Value) -> Value:
    """`made`, the logarithm of x, but right where x is not a positive finite number."""
    made = x.equals(math.inf).choose(math.inf, made)
    made = x.equals(0.0).choose(-math.inf, made)
    return ((x > 0.0) | x.equals(0.0)).choose(made, math.nan)
