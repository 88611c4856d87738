"""Which slices of the batch one program computes together, because that costs less and changes no bit.

What a slice does anew for its few rows, such as reading all of a weight, a group of slices does once. Only gradients of
what all rows share tell slices apart: kernels add these up as a tree (cpu/slice_tree.py). So a group is a part of the
tree over all slices, and what groups deliver is added up to the same tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import TypeVar

from ...common.slices import share
from ..array import Rows
from ..cpu.registry import kernel_for
from ..cpu.slice_tree import SliceTree
from ..graphs.node import Entry, Node
from .batch_cuts import BatchCuts
from .outline import Outline

T = TypeVar("T")


@dataclass(frozen=True)
class SliceGroup:
    """Slices `first` to `last` (excluded), of the given row ranges."""

    first: int
    last: int
    slices: Sequence[Rows]

    @property
    def rows(self) -> Rows:
        """The row range of all of them."""
        return self.slices[0][0], self.slices[-1][1]

    @property
    def is_empty(self) -> bool:
        """Whether there are no rows; then it is a single slice."""
        return self.rows[0] == self.rows[1]

    @property
    def tree(self) -> SliceTree | None:
        """The tree of the slices, if there are several."""
        lengths = [last - first for first, last in self.slices]
        return SliceTree(lengths) if len(lengths) > 1 else None


def group_slices(slices: Sequence[Rows], parts: int) -> list[SliceGroup]:
    """Groups in order, none of which has slices of two of so many equal parts of the batch: threads, for example."""
    ranges = [share(len(slices), part, parts) for part in range(parts)]
    found = chain.from_iterable(_within(one, 0, len(slices)) for one in ranges)
    return [SliceGroup(first, last, slices[first:last]) for first, last in found]


def _within(wanted: tuple[int, int], first: int, last: int) -> Iterator[tuple[int, int]]:
    """The largest parts of the tree over slices `first` to `last` that lie within `wanted`, which they cover."""
    if first >= wanted[0] and last <= wanted[1]:
        yield first, last
    elif first < wanted[1] and last > wanted[0]:
        middle = first + (last - first) // 2
        yield from _within(wanted, first, middle)
        yield from _within(wanted, middle, last)


def deal_out(groups: Sequence[SliceGroup], items: Sequence[T], threads: int) -> list[list[T]]:
    """Of `items`, one for each group that has rows, those of each thread: of its share of the slices."""
    live = [len(group.slices) for group in groups if not group.is_empty]
    pairs = list(zip([0, *accumulate(live)], items, strict=False))
    shares = [share(sum(live), thread, threads) for thread in range(threads)]
    return [[item for begin, item in pairs if first <= begin < last] for first, last in shares]


def sums_of_groups(groups: Sequence[SliceGroup]) -> list[tuple[int, int]]:
    """What makes the tree over all slices of what groups deliver: the number of each that is added to, and of which."""
    starts, pairs = {group.first: number for number, group in enumerate(groups)}, []

    def visit(first: int, last: int) -> None:
        if groups[starts[first]].last >= last:
            return
        middle = first + (last - first) // 2
        visit(first, middle)
        visit(middle, last)
        pairs.append((starts[first], starts[middle]))

    visit(0, groups[-1].last)
    return pairs


def can_join(outline: Outline, cuts: BatchCuts, slices: Sequence[Rows]) -> bool:
    """Whether programs may compute several of these slices of a separable batch, with the bits of each alone."""
    lengths = {last - first for first, last in slices}
    if 0 in lengths or cuts.moving:
        return False
    couplers = cuts.couplers  # which see all slices in any case
    groups = [group for group in outline.groups if group[0] not in couplers]
    return _writes_once(outline, cuts) and all(_joins(outline, cuts, group, lengths) for group in groups)


def _writes_once(outline: Outline, cuts: BatchCuts) -> bool:
    """Whether at most one call writes the gradient of each argument that all rows share, and no head is one."""
    calls = [planned.writes for planned in outline.plan.calls if planned is not None]
    written = [write[0] for write in chain(outline.plan.heads, *calls) if write is not None]
    shared = [entry for entry in outline.arguments if not cuts.follows_batch(entry)]
    return all(written.count(entry) <= 1 for entry in shared) and not set(shared) & set(outline.heads)


def _joins(outline: Outline, cuts: BatchCuts, group: list[Node], lengths: set[int]) -> bool:
    """Whether the kernel of a group of nodes computes several slices at once, and is the same for all `lengths`."""
    first, last = group[0], group[-1]
    assert first.op is not None and last.op is not None
    outputs: list[Entry] = [(last, index) for index in range(len(last.op.outputs()))]
    shared = [entry for entry in first.inputs[1:] if not cuts.follows_batch(entry)]
    if not all(cuts.follows_batch(entry) for entry in [*first.inputs[:1], *outputs]):
        return False
    if any(entry[0].op is not None for entry in shared):
        return False  # its gradient would be one of each slice
    if last.op.is_view:
        return True
    shapes, ops = cuts.slice_shapes((0, cuts.rows)), [node.op for node in group if node.op is not None]
    sizes = [shapes[entry] for entry in first.inputs], [shapes[entry] for entry in outputs]
    kernels = [kernel_for(ops, *sizes, outline.dtype, rows) for rows in lengths]
    return all(getattr(kernel, "joins_slices", False) for kernel in kernels) and len(set(map(type, kernels))) == 1
