"""Memory of values and of gradients, used again as soon as its last reader has run.

So a network without backward needs little more memory than its two largest layers, which are likely to be in the cache.
With backward, values stay where they are, since backward reads them, and only the memory of gradients is used again.
All of this is decided while the graph is laid out; nothing is given out or released while a step runs.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from ..array import Array, Shape
from ..graphs.node import Entry, Node
from .backend import HOST, Backend
from .backward_plan import Write
from .memory_format import C_ORDER, Formats


class ValueBuffers:
    """Arrays for values, given out in the order of forward.

    Whoever lays a call out asks for its outputs first and then releases the inputs that are read for the last time, so
    that a kernel never writes over what it still reads.
    """

    def __init__(self, dtype: np.dtype[np.floating], backend: Backend = HOST, formats: Formats | None = None) -> None:
        self._dtype, self._backend, self._formats = dtype, backend, formats or {}
        self._live: dict[Entry, Array] = {}
        self._free: list[Array] = []  # flat, by size

    def array(self, entry: Entry, shape: Shape) -> Array:
        """An array of `shape` for an entry's value, in the smallest free buffer that holds it, or else in a new one."""
        form = self._formats.get(entry, C_ORDER)
        size = form.size(shape)
        index = bisect_left(self._free, size, key=len)
        flat = self._free.pop(index) if index < len(self._free) else self._backend.empty((size,), self._dtype)
        self._live[entry] = flat
        return form.view(flat, shape)

    def release(self, entry: Entry) -> None:
        """The value is not read any more, so its memory is free; ignored for values that were not placed here."""
        flat = self._live.pop(entry, None)
        if flat is not None:
            insort(self._free, flat, key=len)


class GradientBuffers:
    """Arrays for gradients, given out in the order of backward: used again as soon as their reader has run, or by it.

    Memory is used again for gradients of equal size only. Meeting relies on this (see whole_batch_nodes.py).
    """

    def __init__(
        self,
        dtype: np.dtype[np.floating],
        fixed: Mapping[Entry, Array],
        backend: Backend = HOST,
        formats: Formats | None = None,
    ) -> None:
        """`fixed`: gradients that have arrays already, those of arguments above all; they are never used again."""
        self._dtype, self._fixed, self.backend, self._formats = dtype, fixed, backend, formats or {}
        self._live: dict[Entry, Array] = {}  # flat memory of the gradients that are still to be read
        self._free: defaultdict[int, list[Array]] = defaultdict(list)  # flat memory by its number of elements

    def array(self, entry: Entry, shape: Shape) -> Array:
        """The array of `shape` for an entry's gradient: the same one for all who write or read it."""
        fixed = self._fixed.get(entry)
        if fixed is not None:
            return fixed
        form = self._formats.get(entry, C_ORDER)
        if entry not in self._live:
            spare = self._free[form.size(shape)]
            self._live[entry] = spare.pop() if spare else self.backend.empty((form.size(shape),), self._dtype)
        return form.view(self._live[entry], shape)

    def zeros(self, entry: Entry, shape: Shape) -> Array:
        """An array of zeros of `shape`: the gradient of an entry for which nobody writes one."""
        form = self._formats.get(entry, C_ORDER)
        return form.view(self.backend.zeros((form.size(shape),), self._dtype), shape)

    def target(self, write: Write | None, shape: Shape) -> tuple[Array | None, Array | None]:
        """Where a gradient of `shape` is written, and the total to which it is then added (None: it is the total).

        (None, None) if there is nothing to write.
        """
        if write is None:
            return None, None
        entry, adds = write
        array = self.array(entry, shape)
        if not adds:
            return array, None
        # Operators overwrite and never add, so a second reader's part needs memory of its own before it is added.
        form = self._formats.get(entry, C_ORDER)
        return form.view(self.backend.empty((form.size(shape),), self._dtype), shape), array

    def hand_over(self, read: Entry, written: Entry) -> None:
        """`written` gets the memory of a gradient of equal size that is read for the last time when it is written; not
        if either has a fixed place, or `written` has been placed.
        """
        if read in self._live and written not in self._fixed and written not in self._live:
            self._live[written] = self._live.pop(read)

    def release(self, entry: Entry) -> None:
        """The node that computes the entry has read its gradient, and nobody reads it any more: its memory is free."""
        memory = self._live.pop(entry, None)
        if memory is not None:
            self._free[memory.size].append(memory)


def last_uses(groups: Sequence[list[Node]], heads: Sequence[Entry]) -> list[list[Entry]]:
    """For each group, the entries that nobody reads after it. Heads are read after the last group, so they never occur.

    A view may share its input's memory, so whoever reads the view counts as a reader of that input.
    """
    owner: dict[Entry, Entry] = {}  # whose memory an entry lies in: for a view of a view, that of the first
    last: dict[Entry, int] = {}
    for index, group in enumerate(groups):
        first, node = group[0], group[-1]
        assert node.op is not None
        for entry in first.inputs:
            last[owner.get(entry, entry)] = index
        for number in range(len(node.op.outputs())):
            entry = (node, number)
            owner[entry] = owner.get(first.inputs[0], first.inputs[0]) if node.op.is_view else entry
            last[owner[entry]] = index  # an output without readers is free right after its own group
    kept = {owner.get(entry, entry) for entry in heads}
    found: list[list[Entry]] = [[] for _ in groups]
    for entry, index in last.items():
        if entry not in kept:
            found[index].append(entry)
    return found
