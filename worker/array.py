"""Names for the types of arrays and shapes, and memory that starts on a cache line.

An array is a plain numpy.ndarray or cupy.ndarray; nothing wraps them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Arrays: TypeAlias = Sequence[Array]
Gradients: TypeAlias = Sequence[Array | None]  # None: that gradient is not wanted
Shape: TypeAlias = tuple[int, ...]
Rows: TypeAlias = tuple[int, int]  # of a batch: the first one, and the one after the last

WHOLE = slice(None)  # all numbers of an axis

ALIGNMENT = 64  # bytes: one cache line, one AVX-512 register


def aligned_empty(shape: Shape, dtype: Any = np.float32) -> Array:
    """An uninitialised C-ordered array of that shape and dtype that starts on a cache line (64 bytes)."""
    # Vectorised loops may treat the first elements of an array differently depending on its alignment. A fixed
    # alignment makes equal shapes take the same path every time, and so give equal bits.
    size = math.prod(shape) * np.dtype(dtype).itemsize
    raw = np.empty(size + ALIGNMENT, np.uint8)
    offset = -raw.ctypes.data % ALIGNMENT
    array: Array = raw[offset : offset + size].view(dtype).reshape(shape)
    return array


def same_memory(one: Array, other: Array) -> bool:
    """Whether the two numpy arrays, of any shapes, begin at the same address."""
    if not np.may_share_memory(one, other):  # only compares bounds: cheaper than building both __array_interface__
        return False
    return bool(one.__array_interface__["data"][0] == other.__array_interface__["data"][0])


def aligned_zeros(shape: Shape, dtype: Any = np.float32) -> Array:
    """A C-ordered array of zeros of that shape and dtype that starts on a cache line, as `aligned_empty` makes it."""
    array = aligned_empty(shape, dtype)
    array.fill(0)
    return array


def add_into(left: Array, right: Array) -> Array:
    """Add `right` to `left`, of the same shape, in place, and give `left`: so a tree of sums ends in its first part."""
    total: Array = np.add(left, right, out=left)
    return total
