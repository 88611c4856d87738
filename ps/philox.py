"""Normal random numbers by counter: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).

A number depends on its counter and the seed alone, so that it can be drawn anywhere and again. Logarithm and cosine are
our own: those of C libraries and of GPUs differ in their last digits. worker/cuda/source/sgld_update.cu does the same,
operation by operation.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..common.jit import kernel

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_ROUNDS = 10
_WORDS = 2.0**32
_QUARTER = 2.0**30  # of a turn, in words
_LN2 = math.log(2.0)
_ROOT_OF_HALF = 0.7071067811865476
# Of the highest power first. What is left out is less than 1e-17 of the whole, for the arguments that occur here.
_ARTANH = tuple(1.0 / n for n in range(19, 0, -2))
_SINE = tuple((-1) ** (n // 2) / math.factorial(n) for n in range(21, 0, -2))


@kernel
def philox(key0: Any, key1: Any, c0: Any, c1: Any, c2: Any, c3: Any) -> tuple[Any, Any, Any, Any]:
    """Four random words of 32 bits, from two words of key and four of counter; all of them uint64."""
    for _ in range(_ROUNDS):
        left, right = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (right >> _HALF) ^ c1 ^ key0, right & _LOW, (left >> _HALF) ^ c3 ^ key1, left & _LOW
        key0, key1 = (key0 + _WEYL[0]) & _LOW, (key1 + _WEYL[1]) & _LOW
    return c0, c1, c2, c3


@kernel
def logarithm(value: float) -> float:
    """The natural logarithm of a number in (0, 1], to about 1e-16 of it: 2 artanh((m - 1) / (m + 1)) + e ln(2)."""
    exponent = 0.0
    while value < _ROOT_OF_HALF:
        value *= 2.0
        exponent -= 1.0
    x, total = (value - 1.0) / (value + 1.0), 0.0
    for coefficient in _ARTANH:
        total = total * (x * x) + coefficient
    return exponent * _LN2 + 2.0 * x * total


@kernel
def cosine_of_quarters(turn: float) -> float:
    """The cosine of `turn` quarter turns, in [0, 4), to about 1e-16, as a sine of at most a quarter."""
    x, total = math.pi / 2.0 * (1.0 - turn if turn <= 2.0 else turn - 3.0), 0.0
    for coefficient in _SINE:
        total = total * (x * x) + coefficient
    return x * total


@kernel
def normal(seed: int, element: int, t: int, stream: int) -> float:
    """A normal number of mean 0 and deviation 1, by Box and Muller; `seed` and `element` have up to 63 bits."""
    key, place = np.uint64(seed), np.uint64(element)
    words = philox(key & _LOW, key >> _HALF, place & _LOW, place >> _HALF, np.uint64(t) & _LOW, np.uint64(stream))
    # In (0, 1], so that the logarithm is finite.
    radius = math.sqrt(-2.0 * logarithm((float(words[0]) + 1.0) / _WORDS))
    return radius * cosine_of_quarters(float(words[1]) / _QUARTER)
