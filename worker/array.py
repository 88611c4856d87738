"""Plain names for arrays and shapes. An array is a numpy.ndarray or a cupy.ndarray; nothing wraps them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Arrays: TypeAlias = Sequence[Array]
Gradients: TypeAlias = Sequence[Array | None]  # None: nobody wants that one
Shape: TypeAlias = tuple[int, ...]
Rows: TypeAlias = tuple[int, int]  # of a batch: the first one, and the one after the last

ALIGNMENT = 64  # bytes: one cache line, one AVX-512 register


def aligned_empty(shape: Shape, dtype: Any = np.float32) -> Array:
    """An uninitialised C-ordered array that starts on a cache line, so that equal shapes compute equal bits."""
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    raw = np.empty(size + ALIGNMENT, np.uint8)
    offset = -raw.ctypes.data % ALIGNMENT
    array: Array = raw[offset : offset + size].view(dtype).reshape(shape)
    return array


def same_memory(one: Array, other: Array) -> bool:
    """Whether both begin at the same address."""
    if not np.may_share_memory(one, other):  # much cheaper to ask
        return False
    return bool(one.__array_interface__["data"][0] == other.__array_interface__["data"][0])


def aligned_zeros(shape: Shape, dtype: Any = np.float32) -> Array:
    """As `aligned_empty`, filled with zeros."""
    array = aligned_empty(shape, dtype)
    array.fill(0)
    return array
