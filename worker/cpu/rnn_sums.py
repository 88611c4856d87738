"""Small rows of a recurrent layer's table: products added to what is there, biases, and sums over all steps."""

from __future__ import annotations

import numpy as np

from ...common.call_table import Room, Row
from ...common.compiled_calls import integer, line
from ...common.jit import kernel
from ..array import Array
from .panels import copy_line, read, whole, write
from .plane_lanes import LANES
from .strided_product import ROOM, product
from .tile_product import LOWEST


def add_product_row(left: Array, right: Array, out: Array) -> Row:
    """out (M, N) += left (M, K) @ right (K, N), the rows of `out` runs of memory; sums go on from what is there."""
    strides = [stride // 4 for array in (left, right) for stride in array.strides]
    return Row(_add_product, (left, right, out, *strides, out.strides[0] // 4, *out.shape, len(right), Room(ROOM)))


def begin_row(bias: Array, other: Array | None, first: Array) -> Row:
    """first = bias + other, of one axis; `other` None for zeros. `first` may be longer."""
    return Row(_begin, (bias, other, first, len(bias)))


def fill_row(bias: Array, target: Array) -> Row:
    """Each row of target (M, N) = bias (N,); the rows are runs of memory."""
    return Row(_fill, (bias, target, target.strides[0] // 4, *target.shape))


def sum_columns_row(matrix: Array, out: Array, copy: Array | None) -> Row:
    """out (N,) = the sum of the rows of matrix (M, N), which are runs of memory; and the same to `copy`."""
    return Row(_sum_columns, (matrix, matrix.strides[0] // 4, *matrix.shape, out, copy))


@kernel
def _add_product(at: int) -> int:
    c, c_strides = integer(at, 2), (integer(at, 7), whole(LANES))
    a_strides, b_strides = (integer(at, 3), integer(at, 4)), (integer(at, 5), integer(at, 6))
    shape, room = (integer(at, 8), integer(at, 9), integer(at, 10)), integer(at, 11)
    product(integer(at, 0), a_strides, integer(at, 1), b_strides, c, c_strides, c, c_strides, shape, LOWEST, room)
    return 0


@kernel
def _begin(at: int) -> int:
    bias, other, first = integer(at, 0), integer(at, 1), integer(at, 2)
    for j in range(0, 4 * integer(at, 3), 4):
        write(first + j, read(bias + j) + read(other + j) if other else read(bias + j))
    return 0


@kernel
def _fill(at: int) -> int:
    size = integer(at, 4)
    for i in range(integer(at, 3)):
        copy_line(integer(at, 0), integer(at, 1) + 4 * i * integer(at, 2), size)
    return 0


@kernel
def _sum_columns(at: int) -> int:
    """One row after the other, in double precision."""
    source, pitch, rows, size = integer(at, 0), integer(at, 1), integer(at, 2), integer(at, 3)
    totals = np.zeros(size)
    for i in range(rows):
        row = line(source + 4 * i * pitch, size)
        for j in range(size):
            totals[j] += row[j]
    for target in (integer(at, 4), integer(at, 5)):
        for j in range(size if target else 0):
            write(target + 4 * j, np.float32(totals[j]))
    return 0
