"""The sum of all workers' gradients and the weight update: one fused compiled pass each (kernels.py, rules/), and the
plain numpy versions that specify the sum and sgd bit for bit.

`rows` is (workers, n), one gradient per worker in rank order; every compiled pass overwrites it with partial sums, so
that summing needs no memory of its own. Scalars must already be of the weight's dtype: then numpy does not compute in
another precision, and the server and the local store round them alike, once.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from ..common.slices import tree_reduce

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
SMALL = 1 << 14  # elements that numpy looks through as quickly as a compiled pass


@cache
def kernels() -> ModuleType:
    """The module with the compiled passes. The first call imports numba, which takes a while."""
    from . import kernels as found

    return found


@cache
def rules() -> ModuleType:
    """The module with the compiled passes of the optimizers; as `kernels`."""
    from . import rules as found

    return found


@cache
def tree_pairs(workers: int) -> Array:
    """The additions that make row 0 the balanced tree sum of `workers` rows, as int64 (workers - 1, 2).

    Each is a pair (into, other), to be done in order: row into += row other.
    """
    pairs: list[tuple[int, int]] = []

    def add(into: int, other: int) -> int:
        pairs.append((into, other))
        return into

    tree_reduce(range(workers), add)  # of row numbers: `add` notes the addition and returns where its result is
    found = np.array(pairs, np.int64).reshape(-1, 2)  # (0, 2) for one worker
    found.flags.writeable = False  # it is cached, and shared by all callers
    return found


def sum_rows(rows: Array, out: Array, column: int = 0) -> None:
    """out (n,) = the tree sum of the elements [column, column + n) of `rows` (workers, n'), which is overwritten."""
    kernels().sum_rows(rows, column, tree_pairs(len(rows)), out)


def plain_sum(rows: Array) -> Array:
    """The specification of `sum_rows`: the tree sum (n,) of `rows` (workers, n), which is left unchanged."""
    total: Array = tree_reduce(list(rows), np.add)
    return total


def plain_sgd(
    rows: Array, weight: Array, mom: Array | None, lr: Any, wd: Any, rescale: Any, clip: Any, momentum: Any
) -> None:
    """The specification of rules.sgd and rules.sgd_momentum, of `weight` and `mom` (n,) and `rows` (workers, n).

    g = clip(rescale * sum) + wd * w; mom = momentum * mom - lr * g; w += mom (if `mom` is None: w -= lr * g). This is
    the rule of MXNet's sgd_mom_update and sgd_update.
    """
    gradient = np.clip(rescale * plain_sum(rows), -clip, clip) + wd * weight
    if mom is None:
        weight -= lr * gradient
    else:
        mom[:] = momentum * mom - lr * gradient
        weight += mom


def all_finite(array: Array) -> bool:
    """Whether no element of a float array of any shape is NaN or infinite.

    It takes one fast pass if the array is float32 or float64 and contiguous: every gradient is looked at in every step.
    Small ones are left to numpy: a worker whose arrays are all small need not spend its start on importing numba.
    """
    if array.size <= SMALL:
        return bool(np.isfinite(array).all())
    # Inf and NaN are the values whose exponent bits are all ones, so the greatest magnitude tells; see kernels.py.
    if array.dtype == np.float32 and array.flags.c_contiguous:
        return bool(kernels().largest_exponent_32(array.reshape(-1).view(np.uint32)) < 0x7F800000)
    if array.dtype == np.float64 and array.flags.c_contiguous:
        return bool(kernels().largest_exponent_64(array.reshape(-1).view(np.uint64)) < 0x7FF0000000000000)
    return bool(np.isfinite(array).all())
