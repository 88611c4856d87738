"""Compiled passes over gradients. Importing this module imports numba: `update` does so when first needed.

`rows` is (workers, n'), `out` is flat, (n,); passes use the elements [column, column + n) of each row. `pairs`
(workers - 1, 2) is the order of additions, from update.tree_pairs. Partial sums are left in `rows`.
The inner loops run over views that begin at 0, because the compiler vectorises only those.
No fastmath: every operation rounds as numpy's does, so that the plain versions in `update` give the same bits. A fused
multiply-add or another order of additions would not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..common.jit import kernel

# Elements (16 KiB of float32): a block of all rows, weight and momentum stays in the first- or second-level cache from
# the first addition to the update, so that each element comes from memory only once.
BLOCK = 4096


@kernel
def _add(into: Any, other: Any) -> None:
    for i in range(into.size):
        into[i] += other[i]


@kernel
def sum_block(rows: Any, pairs: Any, first: int, last: int) -> Any:
    """The sum of the rows' elements [first, last), made in place in the first row."""
    for p in range(pairs.shape[0]):
        _add(rows[pairs[p, 0], first:last], rows[pairs[p, 1], first:last])
    return rows[0, first:last]


@kernel
def sum_rows(rows: Any, column: int, pairs: Any, out: Any) -> None:
    """out = the sum of rows, block by block."""
    for first in range(0, out.size, BLOCK):
        last = min(first + BLOCK, out.size)
        out[first:last] = sum_block(rows, pairs, column + first, column + last)


@kernel
def largest_exponent_32(bits: Any) -> Any:
    """The greatest magnitude among float32 values seen as uint32 (n,); 0x7f800000 and above is Inf or NaN."""
    # Without the sign bit, the bits of floats are in the order of their magnitudes. A maximum of integers is
    # vectorised; one of floats would not be without fastmath, and would lose NaN with it.
    largest = np.uint32(0)
    for i in range(bits.size):
        largest = max(largest, bits[i] & np.uint32(0x7FFFFFFF))
    return largest


@kernel
def largest_exponent_64(bits: Any) -> Any:
    """The greatest magnitude among float64 values seen as uint64 (n,); 0x7ff0000000000000 and above is Inf or NaN."""
    largest = np.uint64(0)
    for i in range(bits.size):
        largest = max(largest, bits[i] & np.uint64(0x7FFFFFFFFFFFFFFF))
    return largest
