"""The training metric of each global batch, whatever part of the batch a worker has computed."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...array import Array, Arrays
from ..agreement import Shares
from .base import Metric


class BatchMetric:
    """Feeds a metric with global batches.

    Alone, a worker has the whole batch. Otherwise built-in metrics travel as sums, and for custom ones every worker
    sends its rows of labels and outputs, the other rows being zero: their sum is the batch. The sums travel beside the
    last gradients of the step, so `begin` hands them in and `end` is called when the step has ended. All ranks see the
    same metric.
    """

    def __init__(self, metric: Metric, shares: Shares, store: Any = None) -> None:
        """`store`: a KVStore without an optimizer, None for a job of one worker."""
        self.metric, self._shares, self._store = metric, shares, store
        if store is not None:
            store.must_be_finite = False  # a metric that is NaN is no reason to end a training
        self._sums: dict[str, tuple[Array, Array]] = {}  # what this worker adds, and the sum over workers
        self._step = 0

    def begin(self, labels: Arrays, outputs: Arrays) -> None:
        """Count one global batch, given this worker's rows of it."""
        outputs = outputs[: len(labels)]
        if self._store is None:
            self.metric.update(labels, outputs)
            return
        self._step += 1
        for index, leaf in enumerate(self.metric.leaves()):
            if leaf.sums:
                mine = leaf.statistics(labels, outputs) if self._shares.local_rows else np.zeros(leaf.count)
                self._send(f"metric{index}", mine)
        if not all(leaf.sums for leaf in self.metric.leaves()):
            self._send_rows("label", labels)
            self._send_rows("output", outputs)

    def end(self) -> None:
        """Take the sums that `begin` asked for."""
        if self._store is None:
            return
        self._store.wait()
        for index, leaf in enumerate(self.metric.leaves()):
            if leaf.sums:
                leaf.add(leaf.value(self._sums[f"metric{index}"][1]))
            else:
                leaf.add(leaf.measure(self._whole("label"), self._whole("output")))

    def _send_rows(self, kind: str, parts: Arrays) -> None:
        first = self._shares.first_row
        for index, part in enumerate(parts):
            array = np.zeros((self._shares.global_batch, *part.shape[1:]), part.dtype)
            array[first : first + len(part)] = part
            self._send(f"{kind}{index}", array)

    def _whole(self, kind: str) -> list[Array]:
        return [total.copy() for key, (_, total) in self._sums.items() if key.startswith(kind)]

    def _send(self, key: str, mine: Array) -> None:
        if key not in self._sums:
            self._sums[key] = np.empty_like(mine), np.zeros_like(mine)
            self._store.init(key, self._sums[key][1])
        kept, total = self._sums[key]
        np.copyto(kept, mine)  # stays untouched until the step has ended
        self._store.push_gradient(key, kept, self._step, 0.0)
        self._store.pull_weight(key, total)
