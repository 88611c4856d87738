"""Compiled passes over gradients and weights. Importing this module imports numba: `update` does so when first needed.

No fastmath: every operation rounds as numpy's does, so the plain versions in `update` give the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..common.jit import kernel

BLOCK = 4096  # elements: a block of rows, weight and momentum stays in the first- or second-level cache


@kernel
def _sum_block(rows: Any, pairs: Any, first: int, last: int) -> None:
    for p in range(pairs.shape[0]):
        into, other = rows[pairs[p, 0]], rows[pairs[p, 1]]
        for i in range(first, last):
            into[i] += other[i]


@kernel
def sum_rows(rows: Any, pairs: Any, out: Any) -> None:
    """out = the sum of rows, added pair by pair in place."""
    total = rows[0]
    for first in range(0, out.size, BLOCK):
        last = min(first + BLOCK, out.size)
        _sum_block(rows, pairs, first, last)
        for i in range(first, last):
            out[i] = total[i]


@kernel
def sgd(rows: Any, pairs: Any, weight: Any, lr: Any, wd: Any, rescale: Any, clip: Any) -> None:
    """weight -= lr * (clip(rescale * sum) + wd * weight), block by block."""
    total = rows[0]
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        _sum_block(rows, pairs, first, last)
        for i in range(first, last):
            g = rescale * total[i]
            g = clip if g > clip else (-clip if g < -clip else g)
            weight[i] -= lr * (g + wd * weight[i])


@kernel
def sgd_momentum(
    rows: Any, pairs: Any, weight: Any, mom: Any, lr: Any, wd: Any, rescale: Any, clip: Any, momentum: Any
) -> None:
    """mom = momentum * mom - lr * (clip(rescale * sum) + wd * weight); weight += mom, block by block."""
    total = rows[0]
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        _sum_block(rows, pairs, first, last)
        for i in range(first, last):
            g = rescale * total[i]
            g = clip if g > clip else (-clip if g < -clip else g)
            m = momentum * mom[i] - lr * (g + wd * weight[i])
            mom[i] = m
            weight[i] += m


@kernel
def add_scaled(rows: Any, pairs: Any, weight: Any, rescale: Any) -> None:
    """weight += rescale * sum, block by block."""
    total = rows[0]
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        _sum_block(rows, pairs, first, last)
        for i in range(first, last):
            weight[i] += rescale * total[i]


@kernel
def largest_exponent_32(bits: Any) -> Any:
    """The greatest magnitude among float32 values seen as uint32; 0x7f800000 and above is Inf or NaN."""
    largest = np.uint32(0)
    for i in range(bits.size):
        largest = max(largest, bits[i] & np.uint32(0x7FFFFFFF))
    return largest


@kernel
def largest_exponent_64(bits: Any) -> Any:
    """The same for float64 seen as uint64; 0x7ff0000000000000 and above is Inf or NaN."""
    largest = np.uint64(0)
    for i in range(bits.size):
        largest = max(largest, bits[i] & np.uint64(0x7FFFFFFFFFFFFFFF))
    return largest
