"""How a global batch is cut into slices and dealt to workers, and in which order partial sums are added.

Floating-point addition is not associative, so workers and servers must agree on the order. Then the bits of a sum
depend on the number of slices only and not on how many workers (see tree_reduce) or threads have computed them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

CHUNK = 4096  # elements of a key whose squares are added up before those of the next: see ps/rules/whole_keys.py

T = TypeVar("T")


def share(total: int, index: int, parts: int) -> tuple[int, int]:
    """The rows [first, last) of part `index` when `total` rows are cut into `parts` consecutive parts.

    Parts differ by at most one row; they are empty where there are more parts than rows.
    """
    return index * total // parts, (index + 1) * total // parts


def slices_of_worker(batch: int, slices: int, rank: int, workers: int) -> list[tuple[int, int]]:
    """The global row ranges of the slices that worker `rank` owns; `slices` must be a multiple of `workers`."""
    each = slices // workers
    return [share(batch, rank * each + i, slices) for i in range(each)]


def round_up_slices(slices: int, workers: int) -> int:
    """The smallest multiple of `workers` that is at least `slices`."""
    return -(-slices // workers) * workers


def tree_reduce(items: Sequence[T], add: Callable[[T, T], T]) -> T:
    """Sum `items` (at least one) as a balanced binary tree: the first half, rounded down, plus the rest, and so on.

    With W workers that each sum S/W consecutive slices first, and a server that sums the W results, this is the tree
    over all S slices whenever W is a power of two that divides S: then every W gives the same bits.
    """
    if len(items) == 1:
        return items[0]
    middle = len(items) // 2
    return add(tree_reduce(items[:middle], add), tree_reduce(items[middle:], add))
