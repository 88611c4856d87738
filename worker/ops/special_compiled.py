"""Loops over flat arrays for functions that numpy lacks, computed in double precision.

`x` and `out` are 1-D arrays of one length. Poles and overflow give inf or NaN where Python's math module would raise.
"""

from __future__ import annotations

import math

from ...common.jit import kernel
from ..array import Array

# B_2k / (2 k), with Bernoulli numbers B_2k, of digamma's asymptotic series ln x - 1/(2x) - sum B_2k / (2k x^2k), which
# from x = 8 on is good to 1e-15 (Abramowitz and Stegun 6.3.18).
_ASYMPTOTIC = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)


@kernel
def erf(x: Array, out: Array) -> None:
    """out[i] = erf(x[i]), of flat arrays."""
    for i in range(x.size):
        out[i] = math.erf(x[i])


@kernel
def gamma(x: Array, out: Array) -> None:
    """out[i] = gamma(x[i]), of flat arrays."""
    for i in range(x.size):
        out[i] = math.gamma(x[i])


@kernel
def gammaln(x: Array, out: Array) -> None:
    """out[i] = ln |gamma(x[i])|, of flat arrays."""
    for i in range(x.size):
        out[i] = math.lgamma(x[i])


@kernel
def digamma(x: Array, out: Array) -> None:
    """out[i] = psi(x[i]), the derivative of gammaln, of flat arrays.

    Below 0.5 it is reflected, psi(x) = psi(1 - x) - pi / tan(pi x); then psi(x) = psi(x + 1) - 1/x raises x to 8,
    where the asymptotic series holds.
    """
    for i in range(x.size):
        value, total = float(x[i]), 0.0  # float64, also for float32 arrays: the recurrence subtracts up to 8 terms
        if value < 0.5:
            total = -math.pi / math.tan(math.pi * value)
            value = 1 - value
        while value < 8:
            total -= 1 / value
            value += 1
        square = 1 / (value * value)
        power = square  # 1 / value^2k
        total += math.log(value) - 0.5 / value
        for factor in _ASYMPTOTIC:
            total -= factor * power
            power *= square
        out[i] = total
