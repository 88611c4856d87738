"""The training metric of each global batch, of which a worker has computed some rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...array import Array, Arrays
from ..agreement import Shares
from .base import Metric


class BatchMetric:
    """Feeds a metric with global batches; all ranks see the same values.

    A lone worker has the whole batch. Otherwise the statistics of built-in metrics are summed by the servers; for
    custom ones every worker sends its rows of labels and outputs, the other rows being zero, and their sum is the
    batch. `begin` hands these in, `end` takes the sums: in between the step ends, so that they travel along with its
    last gradients instead of after them.
    """

    def __init__(self, metric: Metric, shares: Shares, store: Any = None) -> None:
        """`store`: a KVStore without an optimizer, None for a job of one worker."""
        self.metric, self._shares, self._store = metric, shares, store
        if store is not None:
            store.must_be_finite = False  # a metric that is NaN is no reason to end a training
        self._sums: dict[str, tuple[Array, Array]] = {}  # what this worker adds, and the sum over workers
        self._step = 0

    def begin(self, labels: Arrays, outputs: Arrays) -> None:
        """Begin to count a global batch, given this worker's rows, (rows, ...), of each label and output.

        Raises ShapeError if they do not fit the metric, DataError if a label is not a class.
        """
        outputs = outputs[: len(labels)]  # further outputs, such as an LSTM's states, have no labels
        if self._store is None:
            self.metric.update(labels, outputs)
            return
        self._step += 1
        for index, leaf in enumerate(self.metric.leaves()):
            if leaf.sums:
                # Without rows a metric might refuse the shapes, but the servers wait for this worker's numbers.
                mine = leaf.statistics(labels, outputs) if self._shares.local_rows else np.zeros(leaf.count)
                self._send(f"metric{index}", mine)
        if not all(leaf.sums for leaf in self.metric.leaves()):
            self._send_rows("label", labels)
            self._send_rows("output", outputs)

    def end(self) -> None:
        """Wait for the sums that `begin` asked for, and count the batch. Raises what the store's `wait` does."""
        if self._store is None:
            return
        self._store.wait()
        for index, leaf in enumerate(self.metric.leaves()):
            if leaf.sums:
                leaf.add(leaf.value(self._sums[f"metric{index}"][1]))
            else:
                leaf.add(leaf.measure(self._whole("label"), self._whole("output")))

    def _send_rows(self, kind: str, parts: Arrays) -> None:
        """Hand in whole batches that are zero outside this worker's rows: adding zeros changes no value."""
        first = self._shares.first_row
        for index, part in enumerate(parts):
            array = np.zeros((self._shares.global_batch, *part.shape[1:]), part.dtype)
            array[first : first + len(part)] = part
            self._send(f"{kind}{index}", array)

    def _whole(self, kind: str) -> list[Array]:
        """The whole batch's labels or outputs: copies, as users may keep what their function is given."""
        return [total.copy() for key, (_, total) in self._sums.items() if key.startswith(kind)]

    def _send(self, key: str, mine: Array) -> None:
        """Hand in one array, and ask for its sum over the workers."""
        if key not in self._sums:  # in the first step; all workers have the same keys, in the same order
            self._sums[key] = np.empty_like(mine), np.zeros_like(mine)
            self._store.init(key, self._sums[key][1])
        kept, total = self._sums[key]
        np.copyto(kept, mine)  # stays untouched until the step has ended
        self._store.push_gradient(key, kept, self._step, 0.0)
        self._store.pull_weight(key, total)
