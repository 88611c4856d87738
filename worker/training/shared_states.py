"""Auxiliary states, such as BatchNorm's averages, that all workers of a job hold alike."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..array import Array
from ..store.kvstore import KVStore
from .agreement import Shares


class SharedStates:
    """Makes each state the mean over the workers after every step, in which each has updated it from its own rows.

    The mean is weighted by rows, so a worker without rows follows the others. It is computed as a sum on the servers,
    in the order of ranks, so all workers hold the same bits.
    """

    def __init__(self, states: Mapping[str, Array], shares: Shares, store: KVStore | None) -> None:
        """`states`: the arrays by name, each of its state's shape, written in place.

        `store`: one without an optimizer, so that it sums; None for one worker, where there is nothing to do.
        """
        self._states, self._store = states, store if states else None
        # Each worker scales its own states, so that the servers need only add.
        self._weight = np.float32(shares.local_rows / shares.global_batch)
        # Copies, as what is pushed must not change until the store has waited, and the mean is pulled into `states`.
        self._scaled = {name: np.empty_like(array) for name, array in states.items()}
        self._step = 0

    def publish(self) -> None:
        """Begin with rank 0's states on all workers. Every worker calls it; it waits for all of them."""
        if self._store is None:
            return
        keys, arrays = [f"aux:{name}" for name in self._states], list(self._states.values())
        self._store.init(keys, arrays)
        self._store.pull(keys, out=arrays)

    def average(self) -> None:
        """Hand in this worker's states after a step; they hold the mean when the store's `wait` has returned."""
        if self._store is None:
            return
        self._step += 1
        with self._store.together():
            for name, array in self._states.items():
                np.multiply(array, self._weight, out=self._scaled[name])
                self._store.push_gradient(f"aux:{name}", self._scaled[name], self._step, 0.0)
                self._store.pull_weight(f"aux:{name}", array)
