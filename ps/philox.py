"""Normal random numbers by counter: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).

A number depends on its counter and the seed alone, so that it can be drawn anywhere and again.
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


@kernel
def philox(key0: Any, key1: Any, c0: Any, c1: Any, c2: Any, c3: Any) -> tuple[Any, Any, Any, Any]:
    """Four random words of 32 bits, from two words of key and four of counter; all of them uint64."""
    for _ in range(_ROUNDS):
        left, right = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (right >> _HALF) ^ c1 ^ key0, right & _LOW, (left >> _HALF) ^ c3 ^ key1, left & _LOW
        key0, key1 = (key0 + _WEYL[0]) & _LOW, (key1 + _WEYL[1]) & _LOW
    return c0, c1, c2, c3


@kernel
def normal(seed: int, element: int, t: int, stream: int) -> float:
    """A normal number of mean 0 and deviation 1, by Box and Muller; `seed` and `element` have up to 63 bits."""
    key, place = np.uint64(seed), np.uint64(element)
    words = philox(key & _LOW, key >> _HALF, place & _LOW, place >> _HALF, np.uint64(t) & _LOW, np.uint64(stream))
    # In (0, 1], so that the logarithm is finite.
    radius = math.sqrt(-2.0 * math.log((float(words[0]) + 1.0) / _WORDS))
    return radius * math.cos(2.0 * math.pi * float(words[1]) / _WORDS)
