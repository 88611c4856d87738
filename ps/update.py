"""The sum of all workers' gradients and the weight update: one fused compiled pass each, and the plain numpy versions
that specify them bit for bit.

`rows` is (workers, n), one gradient per worker in rank order; every pass uses it up (partial sums are left in it).
Scalars must already be of the weight's dtype, so that server and local store round them once and alike.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from ..common.slices import tree_reduce

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@cache
def kernels() -> ModuleType:
    """The compiled passes; the first call takes as long as importing numba does."""
    from . import kernels as found

    return found


@cache
def tree_pairs(workers: int) -> Array:
    """(workers - 1, 2) int64: the additions into = into + other that make row 0 the balanced tree sum of all rows."""
    pairs: list[tuple[int, int]] = []

    def add(into: int, other: int) -> int:
        pairs.append((into, other))
        return into

    tree_reduce(range(workers), add)
    found = np.array(pairs, np.int64).reshape(-1, 2)
    found.flags.writeable = False
    return found


def sum_rows(rows: Array, out: Array, column: int = 0) -> None:
    """out = the tree sum of `rows`, of their elements from `column` on."""
    kernels().sum_rows(rows, column, tree_pairs(len(rows)), out)


def plain_sum(rows: Array) -> Array:
    """The specification of `sum_rows`."""
    total: Array = tree_reduce(list(rows), np.add)
    return total


def plain_sgd(
    rows: Array, weight: Array, mom: Array | None, lr: Any, wd: Any, rescale: Any, clip: Any, momentum: Any
) -> None:
    """g = clip(rescale * sum) + wd * w; mom = momentum * mom - lr * g; w += mom (without momentum: w -= lr * g)."""
    gradient = np.clip(rescale * plain_sum(rows), -clip, clip) + wd * weight
    if mom is None:
        weight -= lr * gradient
    else:
        mom[:] = momentum * mom - lr * gradient
        weight += mom


def all_finite(array: Array) -> bool:
    """Whether no element of a float32 or float64 array is NaN or infinite; one fast pass if it is contiguous."""
    if array.dtype == np.float32 and array.flags.c_contiguous:
        return bool(kernels().largest_exponent_32(array.reshape(-1).view(np.uint32)) < 0x7F800000)
    if array.dtype == np.float64 and array.flags.c_contiguous:
        return bool(kernels().largest_exponent_64(array.reshape(-1).view(np.uint64)) < 0x7FF0000000000000)
    return bool(np.isfinite(array).all())
