"""The training metric of each global batch, of which a worker has computed some rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...array import Array, Arrays
from ...graphs.example_axis import ExampleAxis
from ..agreement import Shares
from ..pairing import Pairing
from .base import Metric, ValueOf
from .class_metric import class_scores


class BatchMetric:
    """Feeds a metric with global batches; all ranks see the same values.

    A lone worker has the whole batch. Otherwise the statistics of built-in metrics are summed by the servers; for
    custom ones every worker sends its rows of labels and outputs, the other rows being zero, and their sum is the
    batch. `begin` hands these in, `end` takes the sums: in between the step ends, so that they travel along with its
    last gradients instead of after them.
    """

    def __init__(self, metric: Metric, pairing: Pairing, shares: Shares, store: Any = None) -> None:
        """`pairing`: for the global batch. `store`: a KVStore without an optimizer, None for a job of one worker."""
        self._pairing, self._shares, self._store = pairing, shares, store
        self._summed = [leaf for leaf in metric.leaves() if leaf.sums and leaf.count]
        self._custom = [leaf for leaf in metric.leaves() if not leaf.sums]
        self._compiled = self._all_compiled() if store is None else []
        if store is not None:
            store.must_be_finite = False  # a metric that is NaN is no reason to end a training
        self._sums: dict[str, tuple[Array, Array]] = {}  # what this worker adds, and the sum over workers
        self._step = 0

    @property
    def is_compiled(self) -> bool:
        """Whether compiled functions count batches, so that nobody keeps what `begin` is given."""
        return bool(self._compiled)

    def begin(self, inputs: Mapping[str, Array], outputs: Arrays) -> None:
        """Begin to count a global batch, given this worker's rows of the outputs and of the inputs, by name, at least
        those that outputs are compared with.

        Raises ShapeError if they do not fit the metric, DataError if a label is not a class.
        """
        heads = self._pairing.heads
        if self._store is None:
            self._count(inputs, outputs)
            return
        self._step += 1
        if self._summed:
            # Without rows a metric might refuse the shapes, but the servers wait for this worker's numbers.
            figures = [np.zeros(leaf.count) for leaf in self._summed]
            if self._shares.local_rows:
                labels, mine = self._pairing.labels(inputs, self._summed[0]), self._pairing.outputs(outputs)
                figures = [leaf.statistics(labels, mine, heads) for leaf in self._summed]
            self._send("metrics", np.concatenate(figures))
        if self._custom:
            self._send_rows(inputs, outputs)

    def end(self) -> None:
        """Wait for the sums that `begin` asked for, and count the batch. Raises what the store's `wait` does."""
        if self._store is None:
            return
        self._store.wait()
        start = 0
        for leaf in self._summed:
            leaf.add(leaf.value(self._sums["metrics"][1][start : start + leaf.count]))
            start += leaf.count
        for leaf in self._custom:
            leaf.add(leaf.measure(self._whole("label"), self._whole("output"), self._pairing.heads))

    def _count(self, inputs: Mapping[str, Array], outputs: Arrays) -> None:
        """Count a whole batch."""
        if self._compiled:
            pair = self._pairing.pairs[0]
            label, output = inputs[pair.label], outputs[pair.output]
            if class_scores().takes(label, output):
                for leaf, value in self._compiled:
                    leaf.add(value(label, output))
                return
        mine = self._pairing.outputs(outputs)
        for leaves in filter(None, (self._summed, self._custom)):
            labels = self._pairing.labels(inputs, leaves[0])
            for leaf in leaves:
                leaf.update(labels, mine, self._pairing.heads)

    def _all_compiled(self) -> list[tuple[Metric, ValueOf]]:
        """What counts a batch by one compiled call for each leaf, where a lone label is compared as it is; else none.

        In a small network anything else takes as long as the step itself.
        """
        if self._custom or len(self._pairing.pairs) != 1 or self._pairing.pairs[0].computed is not None:
            return []
        found = [(leaf, leaf.compiled(self._pairing.heads[0])) for leaf in self._summed]
        given = [(leaf, value) for leaf, value in found if value is not None]
        return given if len(given) == len(found) else []

    def _send_rows(self, inputs: Mapping[str, Array], outputs: Arrays) -> None:
        """Hand in whole batches that are zero outside this worker's rows: adding zeros changes no value."""
        for index, pair in enumerate(self._pairing.pairs):
            label = inputs[pair.label]
            whole = np.zeros((self._shares.global_batch, *label.shape[1:]), label.dtype)
            self._send(f"label{index}", self._placed(ExampleAxis(), whole, label))
            whole = np.zeros(pair.shape, np.float32)
            mine = outputs[pair.output] if self._shares.local_rows else whole
            self._send(f"output{index}", self._placed(pair.examples, whole, mine))

    def _placed(self, axis: ExampleAxis | None, whole: Array, mine: Array) -> Array:
        """`whole`, with this worker's rows in their place; without an axis of examples, its part of the mean."""
        first, rows, total = self._shares.first_row, self._shares.local_rows, self._shares.global_batch
        if axis is None:
            return mine * np.float32(rows / total)
        if rows:
            before: tuple[slice, ...] = (slice(None),) * (axis.axis + 1)
            axis.split(whole, total)[(*before, slice(first, first + rows))] = axis.split(mine, rows)
        return whole

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
