"""Each argument's gradient from its slices: the last slice to finish adds them up, as a balanced binary tree."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ...common.slices import tree_reduce
from ..array import Array, aligned_zeros


class SliceSums:
    """Gradient buffers of every slice, and the count of slices that are still to deliver each gradient.

    A parameter's gradient is the sum over slices, of which the first writes into the result itself. The gradient of an
    input that is cut with the batch needs no sum: every slice writes its own rows. What is computed once, on the whole
    batch, needs none either. Requests to add go by a buffer.
    """

    def __init__(
        self,
        gradients: Mapping[str, Array],
        adding: set[str],
        batched: set[str],
        whole: set[str],
        slices: Sequence[tuple[int, int]],
    ) -> None:
        """`slices` are row ranges; one without rows contributes zeros, so that the tree of sums keeps its shape.

        `batched` and `whole` name the gradients that are cut with the batch and those that are computed once.
        """
        self._gradients, self._adding, self._batched, self._whole = gradients, adding, batched, whole
        self._live = [first < last for first, last in slices]
        self._totals = {n: aligned_zeros(a.shape, a.dtype) if n in adding else a for n, a in gradients.items()}
        self.whole = {name: self._totals[name] for name in whole}
        sliced = [name for name in gradients if name not in whole]
        self.parts = [{name: self._part(name, index, rows) for name in sliced} for index, rows in enumerate(slices)]
        self._lock = threading.Lock()
        self._missing: dict[str, int] = {}
        self._announce: Callable[[str, Array], None] | None = None

    def _part(self, name: str, index: int, rows: tuple[int, int]) -> Array:
        total = self._totals[name]
        if name in self._batched:
            return total[rows[0] : rows[1]]
        return total if index == 0 else aligned_zeros(total.shape, total.dtype)

    def begin(self, announce: Callable[[str, Array], None] | None) -> None:
        """A new backward: no slice has delivered anything yet; `announce(name, gradient)` hears of each final one."""
        self._announce = announce
        self._missing = {name: 1 if name in self._whole else sum(self._live) for name in self._gradients}
        for part, live in zip(self.parts, self._live, strict=True):
            if not live:
                for array in part.values():
                    array.fill(0)
        if not any(self._live):
            for name in self._gradients:
                self._finish(name)

    def deliver(self, name: str) -> None:
        """One slice has its part of `name`, or the whole is there; called from compute threads."""
        with self._lock:
            self._missing[name] -= 1
            last = self._missing[name] == 0
        if last:
            self._finish(name)

    def _finish(self, name: str) -> None:
        if name not in self._batched and name not in self._whole:
            tree_reduce([part[name] for part in self.parts], _add_into_left)
        gradient = self._gradients[name]
        if name in self._adding:
            np.add(gradient, self._totals[name], out=gradient)
        if self._announce is not None:
            self._announce(name, gradient)


def _add_into_left(left: Array, right: Array) -> Array:
    total: Array = np.add(left, right, out=left)
    return total
