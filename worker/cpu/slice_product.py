"""The gradient of a matrix from slices of the batch: the product of each, added up while its tile is in the cache.

Two slices that are added to each other meet in registers, not in the room for levels.
"""

from __future__ import annotations

import numpy as np

from ...common.call_table import Room, Row
from ...common.compiled_calls import integer
from ...common.jit import kernel
from ..array import Array
from .fetching import fetch_target
from .leaf_tile import leaf_tile
from .matmul import product_row
from .panels import pack, whole
from .plane_lanes import LANES
from .slice_tree import Pair, SliceTree
from .strided_product import MOST_ROWS, PART_A, PART_B, even_part
from .tile_product import DEPTH
from .tree_sums import rows_over
from .vectors import WIDTH

# As many sums as keep the processor busy while few of them are to be added up. Rows divide a panel's.
ROWS, PANELS = (8, 2) if WIDTH == 16 else (4, 1)
WIDE = LANES * PANELS
LEVELS = 8  # that there is room for: of up to 128 slices
ROOM = PART_A + PART_B + (PANELS + 1) * LANES * DEPTH + LEVELS * ROWS * WIDE

_tile = leaf_tile(ROWS, PANELS)


def slice_product_rows(left: Array, right: Array, out: Array, tree: SliceTree) -> list[Row]:
    """Rows that write out (M, K), the sum over slices of left (n, M) transposed @ right (n, K)."""
    if tree.rows > DEPTH or tree.levels > LEVELS:
        return rows_over(tree, out, lambda begin, end, made: [product_row(left[begin:end].T, right[begin:end], made)])
    pairs = np.array(tree.pairs(), np.int64)
    return [Row(_slice_product, (left, right, out, *out.shape, tree.rows, pairs, len(pairs), Room(ROOM)))]


@kernel
def _slice_product(at: int) -> int:
    """The row of `slice_product_rows`: both factors are packed for all slices, part by part."""
    rows, columns, depth = integer(at, 3), integer(at, 4), integer(at, 5)
    tall, wide = even_part(rows, min(PART_A // depth, MOST_ROWS)), even_part(columns, PART_B // depth)
    left = integer(at, 8)
    right = left + 4 * (PART_A + LANES * DEPTH)
    tiles = right + 4 * (PART_B + PANELS * LANES * DEPTH)
    for column in range(0, columns, wide):
        across = min(wide, columns - column)
        pack(integer(at, 1) + 4 * column, (columns, whole(1)), depth, across, right)
        for row in range(0, rows, tall):
            down = min(tall, rows - row)
            pack(integer(at, 0) + 4 * row, (rows, whole(1)), depth, down, left)
            _part(at, left, right, tiles, (down, across), integer(at, 2) + 4 * (row * columns + column))
    return 0


@kernel
def _part(at: int, left: int, right: int, tiles: int, shape: tuple[int, int], out: int) -> None:
    """A part of the result, tile by tile: (down, across) at `out`."""
    columns, depth, count = integer(at, 4), integer(at, 5), integer(at, 7)
    for row in range(0, shape[0], ROWS):
        a = left + 4 * (row // LANES * LANES * depth + row % LANES)
        for column in range(0, shape[1], WIDE):
            b, used, wide = right + 4 * column * depth, shape[0] - row, shape[1] - column
            target = out + 4 * (row * columns + column)
            fetch_target(target + 4 * WIDE, columns, min(ROWS, used), min(WIDE, wide - WIDE))
            for number in range(count):
                begin, middle, end, level, merges = _pair_at(integer(at, 6), number)
                depths, place, skipped = (middle - begin, end - middle), (level, merges), 4 * LANES * begin
                written = (used, wide if number == count - 1 else 0)
                _tile(a + skipped, b + skipped, LANES * depth, depths, tiles, place, target, columns, written)


@kernel
def _pair_at(pairs: int, number: int) -> Pair:
    """One of the pairs at an address."""
    at = pairs + 40 * number
    return Pair(integer(at, 0), integer(at, 1), integer(at, 2), integer(at, 3), integer(at, 4))
