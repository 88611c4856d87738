"""Products of matrices with any strides, inside kernels: the parts under work are copied into panels in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import types

from ...common.compiled_calls import integer, outlined, real
from ...common.jit import kernel
from .panels import pack, transpose, whole, write, write_address
from .plane_lanes import LANES
from .tile_product import DEPTH, LOWEST, list_rows, multiply

PART_A, PART_B = 128 * DEPTH, 256 * DEPTH  # floats; together they fit the second-level cache
MOST_ROWS = 4096  # of a part of A, where the inner axis is short
FEW = 2 * LANES  # rows, for which B is not worth packing
TURNED = 1024  # columns of a part of the transposed product
# Floats of working memory for `product`: the parts, what may be written behind one, a line of zeros, where rows are,
# and a part of the transposed product.
ROOM = PART_A + PART_B + 2 * LANES + 2 * MOST_ROWS + TURNED * FEW

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
    a, b, s, c, room = integer(at, 0), integer(at, 3), integer(at, 6), integer(at, 9), integer(at, 16)
    a_strides, b_strides = (integer(at, 1), integer(at, 2)), (integer(at, 4), integer(at, 5))
    s_strides, c_strides = (integer(at, 7), integer(at, 8)), (integer(at, 10), integer(at, 11))
    rows, columns, least = integer(at, 12), integer(at, 13), np.float32(real(at, 15))
    shape = (rows, columns, integer(at, 14))
    # With few rows, packing B would take as long as multiplying. Where the columns of B are runs of memory, its
    # transpose needs no packing: C^T = B^T A^T.
    is_run = b_strides[0] == 1 and columns >= 4 * FEW
    if is_run and (4 < rows <= LANES or FEW - LANES // 2 < rows <= FEW):
        _turned(a, a_strides, b, b_strides, s, s_strides, c, c_strides, shape, least, room)
    else:
        _parts(a, a_strides, b, b_strides, s, s_strides, c, c_strides, shape, least, room)
    return 0


@kernel
def _turned(
    a: int,
    a_strides: tuple[int, int],
    b: int,
    b_strides: tuple[int, int],
    s: int,
    s_strides: tuple[int, int],
    c: int,
    c_strides: tuple[int, int],
    shape: tuple[int, int, int],
    least: np.float32,
    room: int,
) -> None:
    """The product by way of its transpose, some of its columns at a time."""
    rows, columns, depth = shape
    made, strides, few = room + 4 * (ROOM - TURNED * FEW), (whole(FEW), whole(LANES)), whole(FEW)
    for first in range(0, columns, TURNED):
        some = min(TURNED, columns - first)
        for column in range(0, some if s else 0, LANES):
            begun = s + 4 * ((first + column) // LANES) * s_strides[1]
            transpose(begun, s_strides[0], made + 4 * column * FEW, few, rows, min(LANES, some - column))
        left, size = b + 4 * first * b_strides[1], (some, rows, depth)
        turned, start = (b_strides[1], b_strides[0]), made if s else 0
        _parts(left, turned, a, (a_strides[1], a_strides[0]), start, strides, made, strides, size, least, room)
        for column in range(0, some, LANES):
            target = c + 4 * ((first + column) // LANES) * c_strides[1]
            transpose(made + 4 * column * FEW, few, target, c_strides[0], min(LANES, some - column), rows)


@kernel
def _parts(
    a: int,
    a_strides: tuple[int, int],
    b: int,
    b_strides: tuple[int, int],
    s: int,
    s_strides: tuple[int, int],
    c: int,
    c_strides: tuple[int, int],
    shape: tuple[int, int, int],
    least: np.float32,
    room: int,
) -> None:
    """The product part by part."""
    rows, columns, depth = shape
    deep = min(DEPTH, depth)
    tall = _share(rows, min(PART_A // deep, MOST_ROWS))
    wide = _share(columns, PART_B // deep)
    panels, left = room, room + 4 * (PART_B + LANES)
    zeros, table = left + 4 * PART_A, left + 4 * (PART_A + LANES)
    for lane in range(LANES):
        write(zeros + 4 * lane, np.float32(0))
    if s == 0:
        s, s_strides = zeros, (whole(0), whole(0))
    for column in range(0, columns, wide):
        across = min(wide, columns - column)
        for k in range(0, depth, deep):
            inner = min(deep, depth - k)
            part = b + 4 * (k * b_strides[0] + column * b_strides[1])
            right, strides = panels, (whole(LANES), LANES * inner)
            if rows <= LANES and b_strides[1] == 1 and columns % LANES == 0:
                right, strides = part, (b_strides[0], whole(LANES))
            else:
                pack(part, b_strides, inner, across, panels)
            for row in range(0, rows, tall):
                down, part = min(tall, rows - row), a + 4 * (row * a_strides[0] + k * a_strides[1])
                if a_strides[1] == 1:
                    list_rows(a_strides[0], down, table)
                    lines = (part, table, zeros, whole(1), inner, whole(1))
                else:
                    pack(part, (a_strides[1], a_strides[0]), inner, down, left)
                    _list_lanes(inner, down, table)
                    lines = (left, table, zeros, whole(1), inner, whole(LANES))
                out = c + 4 * (row * c_strides[0] + column // LANES * c_strides[1])
                start, starts = out, c_strides
                if k == 0:
                    start, starts = s + 4 * (row * s_strides[0] + column // LANES * s_strides[1]), s_strides
                floor = least if k + inner == depth else LOWEST
                multiply(lines, right, strides, start, starts, out, c_strides, (down, across), floor)


@kernel
def _share(size: int, most: int) -> int:
    """`size` cut into as few parts as possible of at most `most`, all about equal and multiples of sixteen."""
    most = most // LANES * LANES
    parts = (size + most - 1) // most
    return ((size + parts - 1) // parts + LANES - 1) // LANES * LANES


@kernel
def _list_lanes(depth: int, lanes: int, table: int) -> None:
    """As `list_rows`, where rows are lanes of packed panels."""
    for number in range((lanes + LANES - 1) // LANES * LANES):
        lane = min(number, lanes - 1)
        write_address(table + 8 * number, lane // LANES * LANES * depth + lane % LANES)


product = outlined(
    "pushgrad_product", _product,
    _INT, _PAIR, _INT, _PAIR, _INT, _PAIR, _INT, _PAIR, _SHAPE, types.float32, _INT,
)  # fmt: skip
