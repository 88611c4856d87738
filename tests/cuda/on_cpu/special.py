"""cupyx.scipy.special, as far as operators use it."""

import math
from types import ModuleType

import numpy as np

from . import dispatch


def _digamma(x):
    """Recurrence up to 6, then the asymptotic series (Abramowitz and Stegun 6.3.5 and 6.3.18)."""
    if x <= 0:
        return math.nan if x == math.floor(x) else _digamma(1 - x) - math.pi / math.tan(math.pi * x)
    total = 0.0
    while x < 6:
        total, x = total - 1 / x, x + 1
    square = 1 / (x * x)
    series = square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square * (1 / 240 - square / 132))))
    return total + math.log(x) - 0.5 / x - series


def _careful(function):
    def value(x):
        try:
            return function(x)
        except (ValueError, OverflowError):
            return math.nan if math.isnan(x) or x < 0 else math.inf

    return value


def _special(function):
    several = np.vectorize(_careful(function), otypes=[np.float64])

    def apply(x, out=None):
        def compute(x, out=None):
            if out is None:
                return several(x).astype(x.dtype)
            out[...] = several(x)
            return out

        return dispatch.perform(compute, (x, out), {}, [] if out is None else [out])

    return apply


def make_special():
    special = ModuleType("cupyx.scipy.special")
    special.erf, special.gamma, special.gammaln = map(_special, (math.erf, math.gamma, math.lgamma))
    special.digamma = special.psi = _special(_digamma)
    return special
