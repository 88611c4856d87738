"""Each argument's gradient from its slices: the last group of slices to finish adds up what all have delivered.

Slices form a balanced binary tree, of which groups are parts. It has the same shape whichever thread adds and whichever
group comes last, and therefore gives the same bits.
"""

from __future__ import annotations

import threading
from collections.abc import Container, Mapping, Sequence
from functools import partial
from itertools import chain

import numpy as np

from ...common.call_table import Row, Table, in_python
from ..array import WHOLE, Array, add_into, aligned_zeros
from ..cpu.plane_lanes import LANES
from ..cpu.row_kernel import Stage, shares
from ..cpu.sum_rows import add_row, add_rows, countdown_row
from .executor_base import Announce, FinalRows
from .slice_groups import SliceGroup, sums_of_groups

PART = 1 << 14  # numbers of a gradient that are shared out at once: it stays in the cache from sum to update
MOST_PARTS = 64


class SliceSums:
    """Gradient buffers of every group of slices, and the count of groups that are still to deliver each gradient.

    A parameter's gradient is the sum over groups, of which the first writes into the result itself. The gradient of an
    input that is cut with the batch needs no sum: every group writes its own rows. What is computed once, on the whole
    batch, needs none either. A gradient with the request "add" is computed in a buffer and added to its array at the
    end.
    """

    def __init__(
        self,
        gradients: Mapping[str, Array],
        adding: set[str],
        batched: set[str],
        whole: set[str],
        groups: Sequence[SliceGroup],
    ) -> None:
        """`gradients` has the result by argument name, of the argument's shape; `adding` names those with "add",
        `batched` those that are cut with the batch, `whole` those that are computed once. A group without rows
        contributes zeros, so that the tree of sums keeps its shape.
        """
        self._gradients, self._adding, self._batched, self._whole = gradients, adding, batched, whole
        self._live = [not group.is_empty for group in groups]
        self._pairs = sums_of_groups(groups)
        self._totals = {n: aligned_zeros(a.shape, a.dtype) if n in adding else a for n, a in gradients.items()}
        # `whole` and `parts` are what the meeting and each group write to, by name.
        self.whole = {name: self._totals[name] for name in whole}
        sliced = [name for name in gradients if name not in whole]
        self.parts = [{name: self._part(name, index, one.rows) for name in sliced} for index, one in enumerate(groups)]
        self._empty_parts = [part for part, live in zip(self.parts, self._live, strict=True) if not live]
        self._lock = threading.Lock()
        self._all = {name: 1 if name in whole else sum(self._live) for name in gradients}
        self._missing = self._all.copy()  # parts of each gradient that are still to be delivered
        # The same for tables of calls, which run instead of `deliver`: each number is that of one gradient.
        self._places = {name: place for place, name in enumerate(gradients)}
        self._counts = np.array(list(self._all.values()), np.int64)
        self._counters = self._counts.copy()
        self._announce: Announce | None = None
        self.final: FinalRows | None = None  # what rows do instead of announcing
        self._by_rows = False
        self._later: Container[str] = ()
        self._tables: dict[str, Table] = {}  # the rows of each gradient, where they run apart from other tables

    def _part(self, name: str, index: int, rows: tuple[int, int]) -> Array:
        total = self._totals[name]
        if name in self._batched:
            return total[rows[0] : rows[1]]
        return total if index == 0 else aligned_zeros(total.shape, total.dtype)

    def begin(self, announce: Announce | None, by_rows: bool = False, later: Container[str] = ()) -> None:
        """Begin a new backward, in which no group has delivered anything yet.

        `announce(name, gradient)` is called for each gradient once it is final. With `by_rows`, the rows that `final`
        gives run instead, if it is set. Of those in `later`, the caller runs the `shared_parts` at the end.
        """
        self._announce, self._by_rows, self._later = announce, by_rows and self.final is not None, later
        self._missing = self._all.copy()
        self._counters[:] = self._counts
        # A group with rows overwrites its part in every step. One without does not, and the last step's sums may have
        # been added into its part: it has to be zero again.
        for part in self._empty_parts:
            for array in part.values():
                array.fill(0)
        if not any(self._live):
            for name in self._gradients:
                self._finish(name)

    def deliver(self, name: str) -> None:
        """Count one group's part of `name`, or the whole of it, as written; called from compute threads.

        The last to deliver sums and announces on its own thread.
        """
        # The lock guards the count alone. Summing needs none: all parts are there, and one thread sees the zero.
        with self._lock:
            self._missing[name] -= 1
            last = self._missing[name] == 0
        if last:
            self._finish(name)

    def rows(self, name: str) -> list[Row]:
        """What `deliver` does, as rows of a table of calls."""
        last, place = self._last_rows(name), self._places[name]
        return [countdown_row(self._counters[place : place + 1], len(last)), *last]

    def shared_parts(self) -> dict[str, Stage]:
        """For each gradient that needs no Python when all groups have delivered it, what there is to do then: parts
        that may run side by side. The last row of each changes the parameter; none may before all others have run, as
        one of these may find that the gradient is bad.
        """
        if self.final is None:
            return {}
        parts = {name: [self._last_rows(name, part) for part in _parts(total)] for name, total in self._totals.items()}
        return {name: own for name, own in parts.items() if all(row.function for row in chain.from_iterable(own))}

    def _last_rows(self, name: str, part: slice = WHOLE) -> list[Row]:
        pairs = [(total.reshape(-1)[part], addend.reshape(-1)[part]) for total, addend in self._sums(name)]
        return [*add_rows(pairs), *self._final_rows(name, part)]

    def _final_rows(self, name: str, part: slice) -> list[Row]:
        if self.final is None:
            return [in_python(partial(self._tell, name))]
        gradient, total = self._gradients[name], self._totals[name]
        added = [add_row(gradient.reshape(-1)[part], total.reshape(-1)[part])] if name in self._adding else []
        return [*added, *self.final(name, gradient, part)]

    def _sums(self, name: str) -> list[tuple[Array, Array]]:
        """What is added to what once all parts are there. The leftmost part is the total itself."""
        if name in self._batched or name in self._whole:
            return []
        return [(self.parts[left][name], self.parts[right][name]) for left, right in self._pairs]

    def _finish(self, name: str) -> None:
        if name in self._later:
            return
        if self._by_rows:
            if name not in self._tables:
                self._tables[name] = Table(self._last_rows(name))
            self._tables[name].run()
            return
        for total, addend in self._sums(name):
            add_into(total, addend)
        self._tell(name)

    def _tell(self, name: str) -> None:
        gradient = self._gradients[name]
        if name in self._adding:
            np.add(gradient, self._totals[name], out=gradient)
        if self._announce is not None:
            self._announce(name, gradient)


def _parts(total: Array) -> list[slice]:
    """A gradient, taken as flat, cut into parts."""
    return shares(total.size, min(MOST_PARTS, -(-total.size // PART)), LANES)
