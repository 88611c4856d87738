"""Products of matrices with any strides, inside kernels: the parts under work are copied into panels in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import types

from ...common.compiled_calls import integer, outlined, real
from ...common.jit import kernel
from .line_moves import copy_lines
from .panels import pack, transpose, whole, write, write_address
from .plane_lanes import LANES
from .tile_product import DEPTH, LOWEST, Left, list_rows, multiply

PART_A, PART_B = 128 * DEPTH, 256 * DEPTH  # floats; together they fit the second-level cache
MOST_ROWS = 4096  # of a part of A, where the inner axis is short
IN_PLACE = 4 * LANES  # rows, for which B is not worth packing where its rows are runs of memory
FEW = 2 * LANES  # rows, for which B is not worth packing, and columns, for which rows of A are not worth copying
# Numbers so many floats apart share a set of the first-level cache, which holds so many lines of them at the least.
SAME_SET, WAYS = 1024, 8
TURNED = 1024  # columns of a part of the transposed product
# Floats of working memory for `product`: the parts, what may be written behind one, a line of zeros, where rows are,
# and a part of the transposed product.
ROOM = PART_A + PART_B + 2 * LANES + 2 * MOST_ROWS + TURNED * FEW

Matrix = tuple[int, int, int]  # an address, and the strides in floats

_types: Any = types  # which has no annotations
_INT, _PAIR, _SHAPE = types.int64, _types.UniTuple(types.int64, 2), _types.UniTuple(types.int64, 3)


@kernel
def _product(at: int) -> int:
    """C = max(S + A B, least), with addresses of float32 and strides in floats.

    The arguments are (a, a_strides, b, b_strides, s, s_strides, c, c_strides, (rows, columns, depth), least, room). A
    and B have any strides, from row to row and from column to column. S and C are as in `multiply`: the panels of a
    plain matrix are 16 floats apart, and with strides (0, 16) S is one row that all rows of C begin with. With `s` = 0
    they begin with zeros. `room` is the address of ROOM floats.
    """
    a, b = _matrix(at, 0), _matrix(at, 3)
    s, c, room = _matrix(at, 6), _matrix(at, 9), integer(at, 16)
    rows, columns, least = integer(at, 12), integer(at, 13), np.float32(real(at, 15))
    shape = (rows, columns, integer(at, 14))
    # With few rows, packing B would take as long as multiplying. Where the columns of B are runs of memory, its
    # transpose needs no packing: C^T = B^T A^T. But there rows are lanes, of which few should be missing.
    is_run = b[1] == 1 and columns >= 4 * FEW
    if is_run and rows <= FEW and -rows % LANES < LANES // 4:
        _turned(a, b, s, c, shape, least, room)
    else:
        _parts(a, b, s, c, shape, least, room)
    return 0


@kernel
def _matrix(at: int, first: int) -> Matrix:
    """The matrix among the arguments at an address, from number `first` on."""
    return integer(at, first), integer(at, first + 1), integer(at, first + 2)


@kernel
def _turned(
    a: Matrix, b: Matrix, s: Matrix, c: Matrix, shape: tuple[int, int, int], least: np.float32, room: int
) -> None:
    """The product by way of its transpose, some of its columns at a time."""
    rows, columns, depth = shape
    made, few, lanes = room + 4 * (ROOM - TURNED * FEW), whole(FEW), whole(LANES)
    for first in range(0, columns, TURNED):
        some = min(TURNED, columns - first)
        for column in range(0, some if s[0] else 0, LANES):
            begun = s[0] + 4 * ((first + column) // LANES) * s[2]
            transpose(begun, s[1], made + 4 * column * few, few, rows, min(LANES, some - column))
        left, right = (b[0] + 4 * first * b[2], b[2], b[1]), (a[0], a[2], a[1])
        start = (made if s[0] else 0, few, lanes)
        _parts(left, right, start, (made, few, lanes), (some, rows, depth), least, room)
        for column in range(0, some, LANES):
            target = c[0] + 4 * ((first + column) // LANES) * c[2]
            transpose(made + 4 * column * few, few, target, c[1], min(LANES, some - column), rows)


@kernel
def _parts(
    a: Matrix, b: Matrix, s: Matrix, c: Matrix, shape: tuple[int, int, int], least: np.float32, room: int
) -> None:
    """The product part by part."""
    rows, columns, depth = shape
    deep = min(DEPTH, depth)
    tall = even_part(rows, min(PART_A // deep, MOST_ROWS))
    wide = even_part(columns, PART_B // deep)
    panels, left = room, room + 4 * (PART_B + LANES)
    zeros, table = left + 4 * PART_A, left + 4 * (PART_A + LANES)
    for lane in range(LANES):
        write(zeros + 4 * lane, np.float32(0))
    begun = s if s[0] else (zeros, whole(0), whole(0))
    for column in range(0, columns, wide):
        across = min(wide, columns - column)
        for k in range(0, depth, deep):
            inner = min(deep, depth - k)
            part = b[0] + 4 * (k * b[1] + column * b[2])
            right, strides = panels, (whole(LANES), LANES * inner)
            if rows <= IN_PLACE and b[2] == 1 and columns % LANES == 0 and b[1] % SAME_SET != 0:
                right, strides = part, (b[1], whole(LANES))
            else:
                pack(part, (b[1], b[2]), inner, across, panels)
            for row in range(0, rows, tall):
                down, part = min(tall, rows - row), a[0] + 4 * (row * a[1] + k * a[2])
                lines = _left(part, a[1:], (down, across, inner), left, table, zeros)
                start = begun if k == 0 else c
                first = start[0] + 4 * (row * start[1] + column // LANES * start[2])
                out = c[0] + 4 * (row * c[1] + column // LANES * c[2])
                floor = least if k + inner == depth else LOWEST
                multiply(lines, right, strides, first, start[1:], out, c[1:], (down, across), floor)


@kernel
def _left(a: int, strides: tuple[int, int], shape: tuple[int, int, int], room: int, table: int, zeros: int) -> Left:
    """A part of A as register tiles take it: where it lies, or its copy in `room`. Its rows are listed in `table`."""
    rows, columns, depth = shape
    down, right = strides
    if right != 1:
        pack(a, (right, down), depth, rows, room)
        list_lanes(depth, rows, table)
        return room, table, zeros, whole(1), depth, whole(LANES)
    if down % SAME_SET != 0 or rows <= WAYS or columns <= FEW:
        list_rows(down, rows, table)
        return a, table, zeros, whole(1), depth, whole(1)
    # Where they lie, the rows of a tile would drive each other out of the cache.
    copy_lines(a, down, room, depth, rows, depth)
    list_rows(depth, rows, table)
    return room, table, zeros, whole(1), depth, whole(1)


@kernel
def even_part(size: int, most: int) -> int:
    """The size of a part where `size` is cut into as few as possible of at most `most`, all about equal.

    It is a multiple of sixteen.
    """
    most = most // LANES * LANES
    parts = (size + most - 1) // most
    return ((size + parts - 1) // parts + LANES - 1) // LANES * LANES


@kernel
def list_lanes(depth: int, lanes: int, table: int) -> None:
    """As `list_rows`, where rows are lanes of packed panels."""
    for number in range((lanes + LANES - 1) // LANES * LANES):
        lane = min(number, lanes - 1)
        write_address(table + 8 * number, lane // LANES * LANES * depth + lane % LANES)


product = outlined(
    "pushgrad_product", _product,
    _INT, _PAIR, _INT, _PAIR, _INT, _PAIR, _INT, _PAIR, _SHAPE, types.float32, _INT,
)  # fmt: skip
