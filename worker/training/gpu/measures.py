"""The training metric of steps that nobody waits for: GPUs keep what each batch counts, the host reads it when asked.

A step leaves its statistics in a ring of ROOM rows on each GPU. Whoever wants the metric's value calls its `settle`,
which is hooked here: it reads the rings and counts the batches since the last time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...array import Array
from ...cuda.device import Device
from ...execution.gpu.replicas import Replicas
from ...graphs.example_axis import ExampleAxis
from ...ops.softmax_output import SoftmaxOutput
from ..head_loss import HeadLoss
from ..metrics.base import Head, Metric, nothing_due
from ..metrics.class_metric import ClassMetric
from ..pairing import Pair, Pairing
from .loss_statistics import loss_statistics
from .statistics import Statistics, device_statistics

ROOM = 1024  # batches that are kept before the host must read them


class Measures:
    """Counts the batches of `replicas` in `metric`, in order, at the latest when its value is asked for.

    Metrics that GPUs know are computed there, each GPU for its rows. For others labels and outputs are copied to the
    host, which then waits for every step. To be used by one thread.
    """

    def __init__(self, replicas: Replicas, metric: Metric, pairing: Pairing) -> None:
        self._replicas, self._pairing = replicas, pairing
        # The loss is left out where the host would have to wait for every step to compute it.
        self._leaves = [leaf for leaf in metric.leaves() if not isinstance(leaf, HeadLoss) or self._known(leaf)]
        self._on_host = [leaf for leaf in self._leaves if not self._known(leaf)]
        self._counted = [leaf for leaf in self._leaves if leaf not in self._on_host]
        self._width = sum(leaf.count for leaf in self._counted)
        self._first = self._due = 0  # the first batch of the epoch that is kept, and how many are
        self._prepare()
        # Only now that nothing can fail any more: a metric outlives a fit, and must not be left hooked.
        for leaf in self._leaves:
            leaf.settle = self.settle

    def queue(self, index: int) -> None:
        """Queue what GPU `index` counts of the step under way; it is recorded with the step."""
        replica, figures = self._replicas.replicas[index], self._figures[index]
        if not self._width:
            return
        for place, statistics, label, output in self._pairs[index]:
            statistics.queue(label, output, place)
        device = self._replicas.devices[index]
        scalars = np.int32(self._width), np.int32(ROOM)
        total = figures.sum(axis=0) if len(figures) > 1 else figures[0]  # over pairs of label and output
        device.module("ring").over("keep", self._width, (self._rings[index], total, replica.step.now, *scalars))

    def count(self, batch: int) -> None:
        """Note that the step of that batch (from 0) of the epoch has been queued. May wait for the GPUs."""
        if not self._due:
            self._first = batch
        self._due += 1
        if self._on_host:
            self._count_on_host()
        if self._due == ROOM:  # the next step would overwrite the first row that is due
            self.settle()

    def settle(self) -> None:
        """Count the batches that are due. Waits for the GPUs, if there are any."""
        due, self._due = self._due, 0  # before anything that may raise: what failed to be read is not tried again
        if not due or not self._width:
            return
        kept = self._read()
        for batch in range(self._first, self._first + due):
            start, figures = 0, kept[batch % ROOM]  # where the kernel `keep` has put them
            for leaf in self._counted:
                leaf.add(leaf.value(figures[start : start + leaf.count]))
                start += leaf.count

    def close(self) -> None:
        """Count the batches that are due, and unhook the metric."""
        self.settle()
        for leaf in self._leaves:
            leaf.settle = nothing_due

    def _known(self, leaf: Metric) -> bool:
        """Whether GPUs can compute that metric, with labels as they lie there."""
        device, replica = self._replicas.devices[0], self._replicas.replicas[0]
        for pair in filter(lambda pair: _place(leaf, pair) is not None, self._pairing.pairs):
            label, output = replica.binding.arguments[pair.label], replica.outputs[pair.output]
            # A label of the output's shape may be one-hot, which is for the host to see.
            reads = leaf.ops[pair.head.output] if isinstance(leaf, HeadLoss) else leaf
            plain = not isinstance(reads, (ClassMetric, SoftmaxOutput)) or label.shape != output.shape
            if pair.computed is not None or not (plain or label.ndim == 1):
                return False
        with device.active():
            return isinstance(leaf, HeadLoss) or device_statistics(device, leaf) is not None

    def _prepare(self) -> None:
        """Memory for the figures of a step, one row per pair of label and output, and for those of ROOM steps."""
        self._figures: list[Array] = []
        self._rings: list[Array] = []
        self._pairs: list[list[tuple[Array, Statistics, Array, Array]]] = []
        for device, replica in zip(self._replicas.devices, self._replicas.replicas, strict=True):
            with device.active():
                self._figures.append(device.zeros((max(1, len(self._pairing.pairs)), self._width), np.float64))
                self._rings.append(device.zeros((ROOM, self._width), np.float64))
                self._pairs.append(list(self._pairs_of(device, replica, self._figures[-1])))

    def _pairs_of(self, device: Any, replica: Any, figures: Array) -> Any:
        """For each metric and each pair: where its statistics go, what computes them, label and output."""
        start = 0
        for leaf in self._counted:
            for row, pair in enumerate(self._pairing.pairs):
                place = _place(leaf, pair)
                if place is None:
                    continue
                statistics = _statistics(device, leaf, pair.head)  # one for each: it has memory for partial sums
                label = replica.binding.arguments[pair.label]
                target = figures[row, start + place.start : start + place.stop]
                yield target, statistics, label, replica.outputs[pair.output]
            start += leaf.count

    def _read(self) -> Array:
        """The rings' sum over GPUs, (ROOM, width), in their order: the statistics of whole batches."""
        total = np.zeros((ROOM, self._width))
        with self._replicas.alone():
            for device, ring in zip(self._replicas.devices, self._rings, strict=True):
                with device.active():
                    total += ring.get()  # type: ignore[attr-defined]  # waits for the steps queued so far
        return total

    def _count_on_host(self) -> None:
        """Count the batch under way in those metrics that need its labels and outputs. Waits for the GPUs."""
        inputs, outputs = {}, []
        with self._replicas.alone():
            for pair in self._pairing.pairs:
                name, index = pair.label, pair.output
                inputs[name] = self._gathered(lambda replica, n=name: replica.binding.arguments[n], ExampleAxis())
                outputs.append(self._gathered(lambda replica, i=index: replica.outputs[i], pair.examples))
        for leaf in self._on_host:
            leaf.add(leaf.measure(self._pairing.labels(inputs, leaf), outputs, self._pairing.heads))

    def _gathered(self, pick: Any, axis: ExampleAxis | None) -> Array:
        """The rows of all GPUs, in order, of the array that `pick` takes from a replica."""
        parts = []
        for device, replica in zip(self._replicas.devices, self._replicas.replicas, strict=True):
            with device.active():
                parts.append(pick(replica).get())
        if axis is None or len(parts) == 1:
            return np.concatenate(parts)
        rows = [last - first for first, last in self._replicas.parts]
        return axis.joined(list(zip(parts, rows, strict=True)))


def _place(leaf: Metric, pair: Pair) -> slice | None:
    """Where among a metric's figures those of a pair are; None if it does not count the pair."""
    if not isinstance(leaf, HeadLoss):
        return slice(0, leaf.count) if leaf.takes(pair.head) else None
    if pair.head.output not in leaf.ops:
        return None
    place = 2 * list(leaf.ops).index(pair.head.output)
    return slice(place, place + 2)


def _statistics(device: Device, leaf: Metric, head: Head) -> Statistics:
    if isinstance(leaf, HeadLoss):
        return loss_statistics(device, leaf.ops[head.output], head)
    found = device_statistics(device, leaf, head)
    assert found is not None
    return found
