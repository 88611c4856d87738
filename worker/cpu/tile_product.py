"""Products of matrices on register tiles of our own, inside kernels.

`multiply` takes factors that lie well already; `product` takes any, and copies the parts under work into panels in the
cache. Each number of a product is one chain of fused multiply-adds in the order of the inner axis: how the work is cut
changes no bit.
"""

from __future__ import annotations

import numpy as np

from ...common.jit import kernel
from .panels import pack, pack_listed, read, whole, write, write_address
from .plane_lanes import LANES
from .register_tile import register_tile
from .vectors import WIDTH

# As many accumulators as fit beside the factors: AVX has 16 registers, AVX-512 and NEON have 32. Tiles of fewer rows
# begin, where the others alone would not come out even.
ROWS, FEW_ROWS = (16, 8) if WIDTH == 16 else (6, 4)
TOGETHER = 1 if WIDTH == 16 else 3  # tiles that share a panel of B while it is in the first-level cache
_tile, _low_tile = register_tile(ROWS, LANES), register_tile(FEW_ROWS, LANES)

DEPTH = 256  # of parts: the rows of one factor and a panel of the other fit the first-level cache
PART_A, PART_B = 128 * DEPTH, 256 * DEPTH  # floats; together they fit the second-level cache
CORNER = TOGETHER * ROWS * LANES
MOST_ROWS = 4096  # of a part of A, where the inner axis is short
# Floats of working memory for `product`: the parts, what may be written behind one, a corner, a line of zeros, and the
# addresses of rows.
ROOM = PART_A + PART_B + CORNER + 2 * LANES + 2 * MOST_ROWS
LISTED = -(1 << 40)  # no stride of a matrix
LOWEST = np.float32(-np.inf)


@kernel
def multiply(
    a: int,
    right: int,
    b: int,
    b_strides: tuple[int, int],
    s: int,
    s_strides: tuple[int, int],
    c: int,
    c_strides: tuple[int, int],
    shape: tuple[int, int, int],
    least: np.float32,
    corner: int,
) -> None:
    """C = max(S + A B, least), with addresses of float32 and strides in floats; `shape` is (rows, columns, depth).

    `a` is a table of the addresses of A's rows, as `list_rows` makes it, and `right` the stride from column to column.
    B, S and C are given by panels of sixteen columns: strides from row to row and from panel to panel. B and S must be
    readable to the last panel's end, unless S is C itself. `corner` is room for CORNER floats.
    """
    rows, columns, depth = shape
    row, lanes = 0, whole(LANES)
    while row < rows:
        left = rows - row
        used = min(left, _height(left))
        for panel in range((columns + LANES - 1) // LANES):
            factor, wide = b + 4 * panel * b_strides[1], min(LANES, columns - LANES * panel)
            start, lds = s + 4 * (row * s_strides[0] + panel * s_strides[1]), s_strides[0]
            out = c + 4 * (row * c_strides[0] + panel * c_strides[1])
            target, ldc = out, c_strides[0]
            if wide < LANES:  # the tile would write beyond the edge of C
                target, ldc = corner, lanes
                if start == out:
                    _copy_block(start, lds, corner, lanes, used, wide)
                    start, lds = corner, lanes
            _rows(a + 8 * row, right, factor, b_strides[0], start, lds, target, ldc, left, depth, least)
            if wide < LANES:
                _copy_block(corner, lanes, out, c_strides[0], used, wide)
        row += used


@kernel
def _is_low(left: int) -> bool:
    """Whether the next tile has few rows, of so many that are left."""
    return 0 < left % ROWS <= FEW_ROWS


@kernel
def _height(left: int) -> int:
    """How many rows the next tiles have together, of so many that are left, and perhaps more."""
    height = 0
    for _ in range(TOGETHER):
        height += FEW_ROWS if _is_low(left - height) else ROWS
    return height


@kernel
def list_rows(a: int, down: int, rows: int, table: int) -> None:
    """Write the addresses of a matrix's rows to `table`, the last one again and again up to a multiple of sixteen."""
    for row in range((rows + LANES - 1) // LANES * LANES):
        write_address(table + 8 * row, a + 4 * down * min(row, rows - 1))


@kernel
def _rows(
    a: int, right: int, b: int, ldb: int, s: int, lds: int, c: int, ldc: int, left: int, depth: int, least: np.float32
) -> None:
    """The next tiles of one panel, of so many rows that are left."""
    for _ in range(TOGETHER):
        if left <= 0:
            return
        if _is_low(left):
            _low_tile(a, right, b, ldb, s, lds, c, ldc, min(FEW_ROWS, left), depth, least)
            moved = FEW_ROWS
        else:
            _tile(a, right, b, ldb, s, lds, c, ldc, min(ROWS, left), depth, least)
            moved = ROWS
        left -= moved
        a, s, c = a + 8 * moved, s + 4 * moved * lds, c + 4 * moved * ldc


@kernel
def _copy_block(source: int, apart: int, target: int, out: int, rows: int, columns: int) -> None:
    for row in range(rows):
        for column in range(columns):
            write(target + 4 * (row * out + column), read(source + 4 * (row * apart + column)))


@kernel
def product(
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
    """C = max(S + A B, least), with addresses of float32 and strides in floats; `shape` is (rows, columns, depth).

    A and B have any strides, from row to row and from column to column. S and C are as in `multiply`: the panels of a
    plain matrix are 16 floats apart, and with strides (0, 16) S is one row that all rows of C begin with. With `s` = 0
    they begin with zeros. `room` is the address of ROOM floats.

    With strides (LISTED, address of a list), B is what `pack_listed` reads, and `b` is the address of its other list.
    """
    rows, columns, depth = shape
    deep = min(DEPTH, depth)
    tall = _share(rows, min(PART_A // deep, MOST_ROWS))
    wide = _share(columns, PART_B // deep)
    panels, left = room, room + 4 * (PART_B + LANES)
    corner, table = left + 4 * PART_A, left + 4 * (PART_A + CORNER + LANES)
    if s == 0:
        s, s_strides = corner + 4 * CORNER, (0, 0)
        for lane in range(LANES):
            write(s + 4 * lane, np.float32(0))
    for column in range(0, columns, wide):
        across = min(wide, columns - column)
        for k in range(0, depth, deep):
            inner = min(deep, depth - k)
            if b_strides[0] == LISTED:
                pack_listed(b + 8 * k, b_strides[1] + 8 * column, inner, across, panels)
            else:
                pack(b + 4 * (k * b_strides[0] + column * b_strides[1]), b_strides, inner, across, panels)
            for row in range(0, rows, tall):
                down, part = min(tall, rows - row), a + 4 * (row * a_strides[0] + k * a_strides[1])
                right = 1
                if a_strides[1] == 1:
                    list_rows(part, a_strides[0], down, table)
                else:
                    pack(part, (a_strides[1], a_strides[0]), inner, down, left)
                    _list_lanes(left, inner, down, table)
                    right = LANES
                out = c + 4 * (row * c_strides[0] + column // LANES * c_strides[1])
                start, starts = out, c_strides
                if k == 0:
                    start, starts = s + 4 * (row * s_strides[0] + column // LANES * s_strides[1]), s_strides
                floor = least if k + inner == depth else LOWEST
                strides, size = (whole(LANES), LANES * inner), (down, across, inner)
                multiply(table, right, panels, strides, start, starts, out, c_strides, size, floor, corner)


@kernel
def _share(size: int, most: int) -> int:
    """`size` cut into as few parts as possible of at most `most`, all about equal and multiples of sixteen."""
    most = most // LANES * LANES
    parts = (size + most - 1) // most
    return ((size + parts - 1) // parts + LANES - 1) // LANES * LANES


@kernel
def _list_lanes(panels: int, depth: int, lanes: int, table: int) -> None:
    """As `list_rows`, where rows are lanes of packed panels."""
    for number in range((lanes + LANES - 1) // LANES * LANES):
        lane = min(number, lanes - 1)
        write_address(table + 8 * number, panels + 4 * (lane // LANES * LANES * depth + lane % LANES))
