"""The compiled functions of slice_tree.py: importing them imports numba."""

from __future__ import annotations

from ...common.call_table import Row
from ...common.compiled_calls import integer, line
from ...common.jit import kernel
from ..array import Array
from .slice_tree import Leaf


def merge_row(total: Array, room: Array | None, level: int, merges: int) -> Row:
    """A row that adds what is at `level` downwards."""
    return Row(_merge, (total, room, total.size, level, merges))


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
    for k in range(merges):
        left = line(level_place(total, room, size, level - k - 1), size)
        right = line(level_place(total, room, size, level - k), size)
        for i in range(size):
            left[i] += right[i]


@kernel
def _merge(at: int) -> int:
    """The row of `merge_row`."""
    merge(integer(at, 0), integer(at, 1), integer(at, 2), integer(at, 3), integer(at, 4))
    return 0
