"""The training metric of steps that nobody waits for: GPUs keep what batches count, the host reads it when asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...array import Array
from ...execution.gpu.replicas import Replicas
from ..metrics.base import Metric, nothing_due
from .statistics import DeviceStatistics, device_statistics

ROOM = 1024  # batches that are kept before the host reads them


class Measures:
    """Counts the batches of `replicas` in `metric`, in order, before its value is told.

    Metrics that GPUs know are computed there, each GPU for its rows. Others see labels and outputs on the host, which
    waits for every step then.
    """

    def __init__(self, replicas: Replicas, metric: Metric, labels: Sequence[str]) -> None:
        """`labels`: the network's arguments that pair with its outputs, in order."""
        self._replicas, self._labels = replicas, list(labels)[: len(replicas.replicas[0].outputs)]
        self._leaves = metric.leaves()
        self._on_host = [leaf for leaf in self._leaves if not self._known(leaf)]
        self._counted = [leaf for leaf in self._leaves if leaf not in self._on_host]
        self._width = sum(leaf.count for leaf in self._counted)
        self._first = self._due = 0  # the first batch of the epoch that is kept, and how many are
        self._prepare()
        for leaf in self._leaves:
            leaf.settle = self.settle

    def queue(self, index: int) -> None:
        """Queue what GPU `index` counts of the step under way."""
        replica, figures = self._replicas.replicas[index], self._figures[index]
        if not self._width:
            return
        for place, statistics, label, output in self._pairs[index]:
            statistics.queue(label, output, place)
        device = self._replicas.devices[index]
        scalars = np.int32(self._width), np.int32(ROOM)
        total = figures.sum(axis=0) if len(self._labels) > 1 else figures[0]
        device.module("ring").launch("keep", (1,), (self._rings[index], total, replica.step.now, *scalars), threads=64)

    def count(self, batch: int) -> None:
        """The step of that batch of the epoch has been queued."""
        if not self._due:
            self._first = batch
        self._due += 1
        if self._on_host:
            self._count_on_host()
        if self._due == ROOM:
            self.settle()

    def settle(self) -> None:
        """Count what is due. Waits for the GPUs."""
        due, self._due = self._due, 0
        if not due or not self._width:
            return
        kept = self._read()
        for batch in range(self._first, self._first + due):
            start, figures = 0, kept[batch % ROOM]
            for leaf in self._counted:
                leaf.add(leaf.value(figures[start : start + leaf.count]))
                start += leaf.count

    def close(self) -> None:
        """Count what is due; the metric is its own again."""
        self.settle()
        for leaf in self._leaves:
            leaf.settle = nothing_due

    def _known(self, leaf: Metric) -> bool:
        device = self._replicas.devices[0]
        with device.active():
            return device_statistics(device, leaf) is not None

    def _prepare(self) -> None:
        """Memory for the figures of a step, one row per pair of label and output, and for those of ROOM steps."""
        self._figures: list[Array] = []
        self._rings: list[Array] = []
        self._pairs: list[list[tuple[Array, DeviceStatistics, Array, Array]]] = []
        for device, replica in zip(self._replicas.devices, self._replicas.replicas, strict=True):
            with device.active():
                self._figures.append(device.zeros((max(1, len(self._labels)), self._width), np.float64))
                self._rings.append(device.zeros((ROOM, self._width), np.float64))
                self._pairs.append(list(self._pairs_of(device, replica, self._figures[-1])))

    def _pairs_of(self, device: Any, replica: Any, figures: Array) -> Any:
        start = 0
        for leaf in self._counted:
            for row, (name, output) in enumerate(zip(self._labels, replica.outputs, strict=False)):
                statistics = device_statistics(device, leaf)
                assert statistics is not None
                label = replica.binding.arguments[name]
                yield figures[row, start : start + leaf.count], statistics, label, output
            start += leaf.count

    def _read(self) -> Array:
        total = np.zeros((ROOM, self._width))
        with self._replicas.alone():
            for device, ring in zip(self._replicas.devices, self._rings, strict=True):
                with device.active():
                    total += ring.get()  # type: ignore[attr-defined]
        return total

    def _count_on_host(self) -> None:
        labels, outputs = [], []
        with self._replicas.alone():
            for index in range(len(self._labels)):
                labels.append(self._gathered(lambda replica, i=index: replica.binding.arguments[self._labels[i]]))
                outputs.append(self._gathered(lambda replica, i=index: replica.outputs[i]))
        for leaf in self._on_host:
            leaf.add(leaf.measure(labels, outputs))

    def _gathered(self, pick: Any) -> Array:
        parts = []
        for device, replica in zip(self._replicas.devices, self._replicas.replicas, strict=True):
            with device.active():
                parts.append(pick(replica).get())
        return np.concatenate(parts)
