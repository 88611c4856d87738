"""Each argument's gradient from its slices: the last slice to finish adds them up, as a balanced binary tree."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..common.slices import tree_reduce
from .array import Array, aligned_zeros


class SliceSums:
    """Gradient buffers of every slice, and the count of slices that are still to deliver each gradient.

    The first slice writes straight into the gradient itself unless it is to be added to what is there.
    """

    def __init__(self, gradients: Mapping[str, Array], adding: set[str], live: Sequence[bool]) -> None:
        """`live[i]` tells whether slice i has rows; one without contributes zeros, so that the tree keeps its shape."""
        self._gradients, self._adding, self._live = gradients, adding, list(live)
        self.parts = [
            {
                name: array if index == 0 and name not in adding else aligned_zeros(array.shape, array.dtype)
                for name, array in gradients.items()
            }
            for index in range(len(live))
        ]
        self._lock = threading.Lock()
        self._missing: dict[str, int] = {}
        self._announce: Callable[[str, Array], None] | None = None

    def begin(self, announce: Callable[[str, Array], None] | None) -> None:
        """A new backward: no slice has delivered anything yet; `announce(name, gradient)` hears of each final one."""
        self._announce = announce
        self._missing = dict.fromkeys(self._gradients, sum(self._live))
        for part, live in zip(self.parts, self._live, strict=True):
            if not live:
                for array in part.values():
                    array.fill(0)
        if not any(self._live):
            for name in self._gradients:
                self._finish(name)

    def deliver(self, name: str) -> None:
        """One slice has its part of `name`; called from compute threads."""
        with self._lock:
            self._missing[name] -= 1
            last = self._missing[name] == 0
        if last:
            self._finish(name)

    def _finish(self, name: str) -> None:
        total = tree_reduce([part[name] for part in self.parts], _add_into_left)
        gradient = self._gradients[name]
        if name in self._adding:
            np.add(gradient, total, out=gradient)
        if self._announce is not None:
            self._announce(name, gradient)


def _add_into_left(left: Array, right: Array) -> Array:
    total: Array = np.add(left, right, out=left)
    return total
