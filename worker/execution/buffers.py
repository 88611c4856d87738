"""Memory of values and of gradients, used again as soon as its last reader has run.

Without backward, an inference so needs little more than its two largest layers, and finds them in the cache.
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
    """Arrays given out in the order of forward."""

    def __init__(self, dtype: np.dtype[np.floating], backend: Backend = HOST, formats: Formats | None = None) -> None:
        self._dtype, self._backend, self._formats = dtype, backend, formats or {}
        self._live: dict[Entry, Array] = {}
        self._free: list[Array] = []  # flat, by size

    def array(self, entry: Entry, shape: Shape) -> Array:
        """The place of an entry's value, in the smallest free buffer that holds it."""
        form = self._formats.get(entry, C_ORDER)
        size = form.size(shape)
        index = bisect_left(self._free, size, key=len)
        flat = self._free.pop(index) if index < len(self._free) else self._backend.empty((size,), self._dtype)
        self._live[entry] = flat
        return form.view(flat, shape)

    def release(self, entry: Entry) -> None:
        """The value is read no more. Values that have a place elsewhere stay there."""
        flat = self._live.pop(entry, None)
        if flat is not None:
            insort(self._free, flat, key=len)


class GradientBuffers:
    """Arrays for gradients, given out in the order of backward: used again as soon as their reader has run."""

    def __init__(
        self,
        dtype: np.dtype[np.floating],
        fixed: Mapping[Entry, Array],
        backend: Backend = HOST,
        formats: Formats | None = None,
    ) -> None:
        """`fixed`: gradients that have a place already."""
        self._dtype, self._fixed, self.backend, self._formats = dtype, fixed, backend, formats or {}
        self._live: dict[Entry, Array] = {}  # the memory that they lie in, with one axis
        self._free: defaultdict[int, list[Array]] = defaultdict(list)

    def array(self, entry: Entry, shape: Shape) -> Array:
        """The place of an entry's gradient."""
        fixed = self._fixed.get(entry)
        if fixed is not None:
            return fixed
        form = self._formats.get(entry, C_ORDER)
        if entry not in self._live:
            spare = self._free[form.size(shape)]
            self._live[entry] = spare.pop() if spare else self.backend.empty((form.size(shape),), self._dtype)
        return form.view(self._live[entry], shape)

    def zeros(self, entry: Entry, shape: Shape) -> Array:
        """The gradient of an entry that nobody writes one for."""
        form = self._formats.get(entry, C_ORDER)
        return form.view(self.backend.zeros((form.size(shape),), self._dtype), shape)

    def target(self, write: Write | None, shape: Shape) -> tuple[Array | None, Array | None]:
        """Where a gradient is written, and the total to which it is then added (None: it is the total)."""
        if write is None:
            return None, None
        entry, adds = write
        array = self.array(entry, shape)
        if not adds:
            return array, None
        form = self._formats.get(entry, C_ORDER)
        return form.view(self.backend.empty((form.size(shape),), self._dtype), shape), array

    def release(self, entry: Entry) -> None:
        """The gradient has been read by the one that made the entry, and is read no more."""
        memory = self._live.pop(entry, None)
        if memory is not None:
            self._free[memory.size].append(memory)


def last_uses(groups: Sequence[list[Node]], heads: Sequence[Entry]) -> list[list[Entry]]:
    """For each group the computed entries that nobody reads after it; heads are read after all of them.

    A view may share its input's memory, and counts as a reader of it for as long as it is read itself.
    """
    owner: dict[Entry, Entry] = {}
    last: dict[Entry, int] = {}
    for index, group in enumerate(groups):
        first, node = group[0], group[-1]
        assert node.op is not None
        for entry in first.inputs:
            last[owner.get(entry, entry)] = index
        for number in range(len(node.op.outputs())):
            entry = (node, number)
            owner[entry] = owner.get(first.inputs[0], first.inputs[0]) if node.op.is_view else entry
            last[owner[entry]] = index
    kept = {owner.get(entry, entry) for entry in heads}
    found: list[list[Entry]] = [[] for _ in groups]
    for entry, index in last.items():
        if entry not in kept:
            found[index].append(entry)
    return found
