"""Sums over a slice_tree.py in kernels: importing this imports numba."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...common.call_table import Row
from ...common.compiled_calls import integer
from ...common.jit import kernel
from ..array import Array
from .panels import add_line
from .slice_tree import Leaf, SliceTree


def rows_over(tree: SliceTree, total: Array, made: Callable[[int, int, Array], Sequence[Row]]) -> list[Row]:
    """Rows that write the sum over slices; `made(begin, end, target)` gives those that write a slice's gradient."""
    room = tree.room(total)
    levels = [total] if room is None else [total, *room]
    rows: list[Row] = []
    for leaf in tree.leaves:
        rows += made(leaf.begin, leaf.end, levels[leaf.level])
        if leaf.merges:
            rows.append(Row(_merge, (total, room, total.size, leaf.level, leaf.merges)))
    return rows


@kernel
def leaf_at(leaves: int, number: int) -> Leaf:
    """One of the leaves at an address."""
    at = leaves + 32 * number
    return Leaf(integer(at, 0), integer(at, 1), integer(at, 2), integer(at, 3))


@kernel
def level_place(total: int, room: int, size: int, level: int) -> int:
    """Where the sum of a level is, of `size` floats."""
    return total if level == 0 else room + 4 * size * (level - 1)


@kernel
def merge(total: int, room: int, size: int, level: int, merges: int) -> None:
    """Add what is at `level` to the level below, that to the one below it, and so on, so many times."""
    for k in range(level, level - merges, -1):
        add_line(level_place(total, room, size, k), level_place(total, room, size, k - 1), size)


@kernel
def _merge(at: int) -> int:
    """Add what is at a level downwards: `merge` as a row."""
    merge(integer(at, 0), integer(at, 1), integer(at, 2), integer(at, 3), integer(at, 4))
    return 0
