"""The training metric of each global batch, whatever part of the batch a worker has computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .agreement import Shares
from .array import Array
from .metric_base import Metric


class BatchMetric:
    """Feeds a metric with global batches.

    Alone, a worker has the whole batch. Otherwise built-in metrics travel as sums, and for custom ones every worker
    sends its rows of labels and outputs, the other rows being zero: their sum is the batch. All ranks see the result.
    """

    def __init__(self, metric: Metric, shares: Shares, store: Any = None) -> None:
        """`store`: a KVStore without an optimizer, None for a job of one worker."""
        self.metric, self._shares, self._store = metric, shares, store
        self._sums: dict[str, Array] = {}

    def update(self, labels: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Count one global batch, given this worker's rows of it."""
        outputs = outputs[: len(labels)]
        if self._store is None:
            self.metric.update(labels, outputs)
            return
        whole: tuple[list[Array], list[Array]] | None = None
        for index, leaf in enumerate(self.metric.leaves()):
            if leaf.sums:
                found = leaf.statistics(labels, outputs) if self._shares.local_rows else np.zeros(leaf.count)
                leaf.add(leaf.value(self._summed(f"metric{index}", found)))
                continue
            if whole is None:
                whole = self._assemble("label", labels), self._assemble("output", outputs)
            leaf.add(leaf.measure(*whole))

    def _assemble(self, kind: str, parts: Sequence[Array]) -> list[Array]:
        first = self._shares.first_row
        arrays = []
        for index, part in enumerate(parts):
            array = np.zeros((self._shares.global_batch, *part.shape[1:]), part.dtype)
            array[first : first + len(part)] = part
            arrays.append(self._summed(f"{kind}{index}", array).copy())
        return arrays

    def _summed(self, key: str, mine: Array) -> Array:
        if key not in self._sums:
            self._sums[key] = np.zeros_like(mine)
            self._store.init(key, self._sums[key])
        self._store.pushpull(key, mine, out=self._sums[key])
        return self._sums[key]
