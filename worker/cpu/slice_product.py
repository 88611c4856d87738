"""The gradient of a matrix from slices of the batch: the product of each, added up while its tile is in the cache."""

from __future__ import annotations

from ...common.call_table import Room, Row
from ...common.compiled_calls import integer
from ...common.jit import kernel
from ..array import Array
from .matmul import product_row
from .panels import copy_line, pack, whole, write_address
from .plane_lanes import LANES
from .register_tile import leaf_tile
from .slice_tree import SliceTree
from .strided_product import MOST_ROWS, PART_A, PART_B, even_part, list_lanes
from .tile_product import DEPTH, PANELS, ROWS
from .tree_sums import leaf_at, merge, rows_over

WIDE = LANES * PANELS
TILE = ROWS * WIDE  # floats
LEVELS = 8  # that there is room for: of up to 128 slices
ROOM = PART_A + PART_B + (PANELS + 1) * LANES * DEPTH + 2 * (MOST_ROWS + LANES) + LANES + LEVELS * TILE

_tile = leaf_tile(ROWS, PANELS)


def slice_product_rows(left: Array, right: Array, out: Array, tree: SliceTree) -> list[Row]:
    """Rows that write out (M, K), the sum over slices of left (n, M) transposed @ right (n, K)."""
    if len(tree.leaves) == 1 or tree.rows > DEPTH or tree.levels > LEVELS:
        return rows_over(tree, out, lambda begin, end, made: [product_row(left[begin:end].T, right[begin:end], made)])
    return [Row(_slice_product, (left, right, out, *out.shape, tree.rows, *tree.arguments(), Room(ROOM)))]


@kernel
def _slice_product(at: int) -> int:
    """The row of `slice_product_rows`: both factors are packed for all slices, part by part."""
    rows, columns, depth = integer(at, 3), integer(at, 4), integer(at, 5)
    tall, wide = even_part(rows, min(PART_A // depth, MOST_ROWS)), even_part(columns, PART_B // depth)
    room = integer(at, 8)
    left, right = room, room + 4 * (PART_A + LANES * DEPTH)
    table = right + 4 * (PART_B + PANELS * LANES * DEPTH)
    for column in range(0, columns, wide):
        across = min(wide, columns - column)
        pack(integer(at, 1) + 4 * column, (columns, whole(1)), depth, across, right)
        for row in range(0, rows, tall):
            down = min(tall, rows - row)
            pack(integer(at, 0) + 4 * row, (rows, whole(1)), depth, down, left)
            list_lanes(depth, down, table)
            _part(at, left, right, table, (down, across), integer(at, 2) + 4 * (row * columns + column))
    return 0


@kernel
def _part(at: int, left: int, right: int, table: int, shape: tuple[int, int], out: int) -> None:
    """A part of the result, tile by tile: (down, across) at `out`."""
    columns, depth, count = integer(at, 4), integer(at, 5), integer(at, 7)
    zero = table + 8 * (MOST_ROWS + LANES)
    tile = zero + 4 * LANES
    write_address(zero, whole(0))
    for row in range(0, shape[0], ROWS):
        for column in range(0, shape[1], WIDE):
            for number in range(count):
                begin, end, level, merges = leaf_at(integer(at, 6), number)
                a = (left + 4 * LANES * begin, table + 8 * row, zero, whole(1), end - begin, whole(LANES))
                b = right + 4 * (column * depth + LANES * begin)
                # A term on the right goes straight to the one on the left.
                adds = min(merges, 1)
                _tile(a, b, (whole(LANES), LANES * depth), tile + 4 * TILE * (level - adds), adds)
                if merges > 1:
                    merge(tile, tile + 4 * TILE, TILE, level - 1, merges - 1)
            wide = min(WIDE, shape[1] - column)
            for i in range(min(ROWS, shape[0] - row)):
                copy_line(tile + 4 * WIDE * i, out + 4 * ((row + i) * columns + column), wide)
