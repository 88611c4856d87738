"""Products of matrices on register tiles of our own, inside kernels, for factors that lie well already.

Each number of a product is one chain of fused multiply-adds in the order of the inner axis: how the work is cut changes
no bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import types

from ...common.compiled_calls import integer, outlined, real
from ...common.jit import kernel
from .fetching import fetch_target
from .panels import LARGE, write_address
from .plane_lanes import LANES
from .register_tile import register_tile
from .vectors import WIDTH

# As many accumulators as fit beside the factors: AVX has 16 registers, AVX-512 and NEON have 32. Tiles of fewer rows
# begin, where the others alone would not come out even. Of AVX-512's two panels, the last may be alone.
ROWS, FEW_ROWS, PANELS = (12, 8, 2) if WIDTH == 16 else (6, 4, 1)
TOGETHER = 3  # tiles that share panels of B while those are in the first-level cache
_tile, _low_tile = register_tile(ROWS, PANELS), register_tile(FEW_ROWS, PANELS)
_slim_tile, _slim_low_tile = register_tile(ROWS, 1), register_tile(FEW_ROWS, 1)

DEPTH = 256  # of parts of the inner axis: rows of one factor and panels of the other fit the first-level cache
LOWEST = np.float32(-np.inf)
Left = tuple[int, int, int, int, int, int]  # a matrix as register_tile.py describes it


@kernel
def _multiply(at: int) -> int:
    """C = max(S + A B, least), with addresses of float32 and strides in floats.

    The arguments are (a, b, b_strides, s, s_strides, c, c_strides, (rows, columns), least). `a` is what a register_tile
    takes, its rows listed as by `list_rows`: the last one again where tiles need more. B, S and C are given by panels
    of sixteen columns: strides from row to row and from panel to panel. B must be readable to the last panel's end.
    """
    b, s, c, least = integer(at, 6), integer(at, 9), integer(at, 12), np.float32(real(at, 17))
    b_strides, s_strides = (integer(at, 7), integer(at, 8)), (integer(at, 10), integer(at, 11))
    c_strides, rows, columns = (integer(at, 13), integer(at, 14)), integer(at, 15), integer(at, 16)
    row, is_large = 0, rows * columns >= LARGE
    while row < rows:
        left, list_ = rows - row, integer(at, 1) + 8 * row
        lines = (integer(at, 0), list_, integer(at, 2), integer(at, 3), integer(at, 4), integer(at, 5))
        for column in range(0, columns, LANES * PANELS):
            panel = column // LANES
            factor = b + 4 * panel * b_strides[1]
            start = s + 4 * (row * s_strides[0] + panel * s_strides[1])
            target = c + 4 * (row * c_strides[0] + panel * c_strides[1])
            shape = (left, columns - column, is_large)
            _rows(lines, factor, b_strides, start, s_strides, target, c_strides, shape, least)
        row += _height(left)
    return 0


@kernel
def _height(left: int) -> int:
    """How many rows the next tiles have together, of so many that are left, and perhaps more."""
    height = 0
    for _ in range(TOGETHER):
        height += FEW_ROWS if _is_low(left - height) else ROWS
    return height


@kernel
def _is_low(left: int) -> bool:
    """Whether the next tile has few rows, of so many that are left."""
    return 0 < left % ROWS <= FEW_ROWS


@kernel
def list_rows(down: int, rows: int, table: int) -> None:
    """Write the places of a matrix's rows to `table`, the last one again and again up to a multiple of sixteen."""
    for row in range((rows + LANES - 1) // LANES * LANES):
        write_address(table + 8 * row, down * min(row, rows - 1))


@kernel
def _rows(
    a: Left,
    b: int,
    b_strides: tuple[int, int],
    s: int,
    s_strides: tuple[int, int],
    c: int,
    c_strides: tuple[int, int],
    shape: tuple[int, int, bool],
    least: np.float32,
) -> None:
    """The next tiles, one below the other; `shape` are the rows and columns that are left, and whether C is large."""
    left, wide, is_large = shape
    for _ in range(TOGETHER):
        if left <= 0:
            return
        low, slim = _is_low(left), PANELS > 1 and wide <= LANES * (PANELS - 1)
        height = FEW_ROWS if low else ROWS
        used = min(height, left)
        if is_large:  # while this tile is made, the place of the one beside it comes to the cache
            beside = min(LANES * PANELS, wide - LANES * PANELS)
            fetch_target(c + 4 * PANELS * c_strides[1], c_strides[0], used, beside)
        if low and slim:
            _slim_low_tile(a, b, b_strides, s, s_strides, c, c_strides, used, wide, least)
        elif low:
            _low_tile(a, b, b_strides, s, s_strides, c, c_strides, used, wide, least)
        elif slim:
            _slim_tile(a, b, b_strides, s, s_strides, c, c_strides, used, wide, least)
        else:
            _tile(a, b, b_strides, s, s_strides, c, c_strides, used, wide, least)
        left -= height
        a = (a[0], a[1] + 8 * height, a[2], a[3], a[4], a[5])
        s, c = s + 4 * height * s_strides[0], c + 4 * height * c_strides[0]


_types: Any = types  # which has no annotations
_INT, _PAIR = types.int64, _types.UniTuple(types.int64, 2)
multiply = outlined(
    "pushgrad_multiply", _multiply,
    _types.UniTuple(_INT, 6), _INT, _PAIR, _INT, _PAIR, _INT, _PAIR, _PAIR, types.float32,
)  # fmt: skip
