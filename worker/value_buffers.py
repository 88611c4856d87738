"""Memory for what nodes compute where nothing goes backward: used again as soon as its last reader has run, so that an
inference needs little more than its two largest layers, and finds them in the cache.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence

import numpy as np

from .array import Array, Shape
from .execution.backend import HOST, Backend
from .execution.memory_format import C_ORDER, Formats
from .graphs.node import Entry, Node


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
