"""Matrices as numpy arrays, for callers outside of kernels: products on register tiles, and transposing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...common.jit import kernel
from ..array import Array
from .panels import transpose
from .plane_lanes import LANES
from .scratch import scratch
from .tile_product import LISTED, LOWEST, ROOM, product


class Listed(NamedTuple):
    """A matrix whose number (k, j) lies lanes[j] floats behind the address rows[k]; both are lists of int64."""

    rows: Array
    lanes: Array


def matmul(
    left: Array,
    right: Array | Listed,
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
    product(a, a_strides, b, b_strides, s, s_strides, c, (ldc, LANES), shape, least, room)


def matmul_each(left: Array, right: Array, out: Array) -> None:
    """out[i] (M, N) = left[i] (M, K) @ right[i] (K, N), float32 with three axes of any strides, `out` in C order."""
    if not left.shape[2]:
        out.fill(0)
    elif out.size:
        (a, b, c), (lefts, rights, outs) = zip(*(_stack(array) for array in (left, right, out)), strict=True)
        room = _place(scratch("product", (1, ROOM)))[0]
        _products(len(out), a, b, c, lefts, rights, outs, (*out.shape[1:], left.shape[2]), room)


def _stack(matrices: Array) -> tuple[int, tuple[int, int, int]]:
    """Where they begin, and the floats from matrix to matrix, from row to row and from column to column."""
    apart, down, right = (stride // 4 for stride in matrices.strides)
    return matrices.__array_interface__["data"][0], (apart, down, right)


@kernel
def _products(
    count: int,
    a: int,
    b: int,
    c: int,
    a_strides: tuple[int, int, int],
    b_strides: tuple[int, int, int],
    c_strides: tuple[int, int, int],
    shape: tuple[int, int, int],
    room: int,
) -> None:
    for i in range(count):
        left, right, out = a + 4 * i * a_strides[0], b + 4 * i * b_strides[0], c + 4 * i * c_strides[0]
        product(left, a_strides[1:], right, b_strides[1:], 0, (0, 0), out, (c_strides[1], LANES), shape, LOWEST, room)


def transpose_into(matrix: Array, out: Array) -> None:
    """out (N, M) = the transpose of a matrix (M, N), float32, the rows of both runs of memory."""
    (source, (apart, _)), (target, (pitch, _)) = _place(matrix), _place(out)
    transpose(source, apart, target, pitch, *matrix.shape)


def _place(matrix: Array | Listed) -> tuple[int, tuple[int, int]]:
    """Where it begins, and the floats from row to row and from column to column, as `product` takes them."""
    if isinstance(matrix, Listed):
        return _place(matrix.rows[None])[0], (LISTED, _place(matrix.lanes[None])[0])
    return matrix.__array_interface__["data"][0], (matrix.strides[0] // 4, matrix.strides[1] // 4)
