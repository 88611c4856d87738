"""Loops over flat arrays for functions that numpy lacks, computed in double precision."""

from __future__ import annotations

import math

from ...common.jit import kernel
from ..array import Array

# Bernoulli numbers B_2k / (2 k) of digamma's asymptotic series ln x - 1/(2x) - sum B_2k / (2k x^2k), which from
# x = 8 on is good to 1e-15 (Abramowitz and Stegun 6.3.18).
_ASYMPTOTIC = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)


@kernel
def erf(x: Array, out: Array) -> None:
    """The error function."""
    for i in range(x.size):
        out[i] = math.erf(x[i])


@kernel
def gamma(x: Array, out: Array) -> None:
    """The gamma function."""
    for i in range(x.size):
        out[i] = math.gamma(x[i])


@kernel
def gammaln(x: Array, out: Array) -> None:
    """ln |gamma(x)|."""
    for i in range(x.size):
        out[i] = math.lgamma(x[i])


@kernel
def digamma(x: Array, out: Array) -> None:
    """The derivative of gammaln: reflected below 0.5, then moved up by psi(x) = psi(x + 1) - 1/x to the series."""
    for i in range(x.size):
        value, total = float(x[i]), 0.0
        if value < 0.5:
            total = -math.pi / math.tan(math.pi * value)
            value = 1 - value
        while value < 8:
            total -= 1 / value
            value += 1
        square = 1 / (value * value)
        power = square
        total += math.log(value) - 0.5 / value
        for factor in _ASYMPTOTIC:
            total -= factor * power
            power *= square
        out[i] = total
