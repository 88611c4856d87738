"""How a global batch is cut into slices and shared out, and in which order partial sums are added.

Both ends of the wire need the same answer: bits depend on nothing but the number of slices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def share(total: int, index: int, parts: int) -> tuple[int, int]:
    """Rows [first, last) of part `index` when `total` rows are cut into `parts` consecutive parts."""
    return index * total // parts, (index + 1) * total // parts


def slices_of_worker(batch: int, slices: int, rank: int, workers: int) -> list[tuple[int, int]]:
    """Global row ranges of the slices that worker `rank` owns; `slices` must be a multiple of `workers`."""
    each = slices // workers
    return [share(batch, rank * each + i, slices) for i in range(each)]


def round_up_slices(slices: int, workers: int) -> int:
    """The smallest multiple of `workers` that is at least `slices`."""
    return -(-slices // workers) * workers


def tree_reduce(items: Sequence[T], add: Callable[[T, T], T]) -> T:
    """Sum `items` as a balanced binary tree.

    With W workers that each sum S/W consecutive slices first, and a server that sums the W results, this is the tree
    over all S slices whenever W is a power of two that divides S: then every W gives the same bits.
    """
    if len(items) == 1:
        return items[0]
    middle = len(items) // 2
    return add(tree_reduce(items[:middle], add), tree_reduce(items[middle:], add))
