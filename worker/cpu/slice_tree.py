"""How a kernel adds up the gradients of slices of the batch that it computes together: as a balanced binary tree.

The slices are worked off one after the other, and sums are made as soon as both of their terms are there. So only few
have to be kept, each at its level: a slice's gradient goes to the level above what is there already, and whenever a
term on the right is complete, it is added to the one on the left, a level below. Level 0 is the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..array import Array, aligned_empty


class Leaf(NamedTuple):
    """A slice, rows [begin, end): its gradient goes to `level`, which is then added downwards so many times."""

    begin: int
    end: int
    level: int
    merges: int


class Pair(NamedTuple):
    """Two slices whose sum is the first to be made of either, rows [begin, middle) and [middle, end); or one alone.

    Of one alone, `middle` is its end. What they come to goes to `level`, which is then added downwards so many times.
    """

    begin: int
    middle: int
    end: int
    level: int
    merges: int


class SliceTree:
    """The leaves in order; bits are those of `common.slices.tree_reduce`."""

    def __init__(self, lengths: Sequence[int]) -> None:
        """`lengths` are the rows of each slice, none of them 0."""
        self.lengths = tuple(lengths)
        self.rows, self.longest = sum(lengths), max(lengths)
        self.leaves = list(_leaves(self.lengths, 0, 0, 0))
        self.levels = 1 + max(leaf.level for leaf in self.leaves)

    def times(self, rows: int) -> SliceTree:
        """The tree where each row of the batch is so many rows of a matrix."""
        return SliceTree([rows * length for length in self.lengths])

    def pairs(self) -> list[Pair]:
        """The leaves in order, those together that can be added up at once."""
        pairs: list[Pair] = []
        for leaf in self.leaves:
            if leaf.merges:
                # The left part of a tree is never the longer one: what it is added to first is the leaf before alone.
                left = pairs.pop()
                pairs.append(Pair(left.begin, left.end, leaf.end, left.level, leaf.merges - 1))
            else:
                pairs.append(Pair(leaf.begin, leaf.end, leaf.end, leaf.level, 0))
        return pairs

    def arguments(self, *totals: Array | None) -> tuple[Array | int | None, ...]:
        """For rows of tables: the leaves and their count, then room for the levels above 0 of each total."""
        return np.array(self.leaves, np.int64), len(self.leaves), *(self.room(total) for total in totals)

    def room(self, total: Array | None) -> Array | None:
        """Memory for the levels above 0 of a total; None if there is none, or only one slice."""
        return None if total is None or self.levels == 1 else aligned_empty((self.levels - 1, *total.shape))


def _leaves(lengths: Sequence[int], begin: int, level: int, merges: int) -> Iterator[Leaf]:
    """Those of a part of the tree from row `begin` on; `merges`: of its sum, once it is there."""
    if len(lengths) == 1:
        yield Leaf(begin, begin + lengths[0], level, merges)
        return
    middle = len(lengths) // 2
    yield from _leaves(lengths[:middle], begin, level, 0)
    yield from _leaves(lengths[middle:], begin + sum(lengths[:middle]), level + 1, merges + 1)
