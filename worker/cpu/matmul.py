"""Matrices as numpy arrays, for callers outside of kernels: products on register tiles, and transposing."""

from __future__ import annotations

import numpy as np

from ..array import Array
from .panels import transpose
from .plane_lanes import LANES
from .scratch import scratch
from .tile_product import LOWEST, ROOM, product


def matmul(
    left: Array,
    right: Array,
    out: Array,
    first: Array | None = None,
    least: np.float32 = LOWEST,
    adds: bool = False,
) -> None:
    """out (M, N) = max(left (M, K) @ right (K, N), least); all float32, the rows of `out` runs of memory.

    With `first` (M, 16), sums of row i begin with its number, which stands in all sixteen places of first[i]. With
    `adds`, they begin with what is in `out`.
    """
    (a, a_strides), (b, b_strides), (c, (ldc, _)) = (_place(array) for array in (left, right, out))
    s, s_strides = 0, (0, 0)
    if adds:
        s, s_strides = c, (ldc, LANES)
    elif first is not None:
        s, s_strides = _place(first)[0], (LANES, 0)
    room, shape = _place(scratch("product", (1, ROOM)))[0], (*out.shape, left.shape[1])
    product(a, a_strides, b, b_strides, s, s_strides, c, ldc, shape, least, room)


def transpose_into(matrix: Array, out: Array) -> None:
    """out (N, M) = the transpose of a matrix (M, N), float32, the rows of both runs of memory."""
    (source, (apart, _)), (target, (pitch, _)) = _place(matrix), _place(out)
    transpose(source, apart, target, pitch, *matrix.shape)


def _place(matrix: Array) -> tuple[int, tuple[int, int]]:
    """Where it begins, and the floats from row to row and from column to column."""
    return matrix.__array_interface__["data"][0], (matrix.strides[0] // 4, matrix.strides[1] // 4)
