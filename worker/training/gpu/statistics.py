"""A metric's statistics, computed where the outputs lie: two numbers leave the GPU instead of all outputs."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...array import Array
from ...cuda.compiled_source import THREADS
from ...cuda.device import Device
from ..metrics.base import UNKNOWN, Head, Metric, same_shape
from ..metrics.class_metric import ClassMetric, regrouped
from ..metrics.classification import Accuracy, CrossEntropy, Perplexity, TopKAccuracy
from ..metrics.regression import MAE, MSE, RMSE, RMSLE

# The macro METRIC of cuda/source/metrics.cu. Metrics that differ in `value` alone share one.
_KINDS: dict[type[Metric], str] = {
    Accuracy: "CHOSEN", TopKAccuracy: "TOP", MAE: "ABSOLUTE", MSE: "SQUARED", RMSE: "SQUARED", RMSLE: "LOGARITHMIC",
    CrossEntropy: "ENTROPY", Perplexity: "ENTROPY",
}  # fmt: skip
_OVER_CLASSES = ("CHOSEN", "TOP", "HINGE", "SQUARED_HINGE")  # items for which all classes are looked at
_WARP = 32
_BLOCKS = THREADS  # at most, as one block adds up what they leave, with a thread for each
_WORK = 1 << 14  # elements that each block works on at least, where there are several


@dataclass(frozen=True)
class Items:
    """What a kernel is told of some rows: label (items,) and output, each item in classes and positions.

    `kind` is its METRIC, `top` how many classes count, `number` what is added before a logarithm, or a margin; items
    whose label is `ignored` do not count (NaN equals nothing), and the sum is multiplied by `weight`.
    """

    kind: str
    label: Array
    output: Array
    classes: int = 0
    positions: int = 1
    top: int = 0
    number: float = 0.0
    ignored: float = math.nan
    weight: float = 1.0


class Statistics(ABC):
    """The statistics of some rows: a sum and the number of items in it, of which one or a warp of threads makes one.

    Counts are exact, and sums are made in double precision in a fixed order. To be made while the device is active.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._parts = device.empty((2 * _BLOCKS,), np.float64)

    @abstractmethod
    def queue(self, label: Array, output: Array, target: Array) -> None:
        """Queue target = the statistics of these rows; target is float64, (2,).

        label (rows, ...) and output (rows, ...), float32 in C order, are as the metric's or the loss's class says. Does
        not wait. Raises ShapeError if the shapes do not fit together.
        """

    def _launch(self, items: Items, target: Array) -> None:
        kind, classes, count = items.kind, items.classes, items.label.size
        # A warp looks through the classes of an item if they lie side by side and are enough for all its threads.
        lanes = _WARP if kind in ("CHOSEN", "TOP") and items.positions == 1 and classes >= _WARP else 1
        work = count * (max(1, classes) if kind in _OVER_CLASSES else 1)
        blocks = max(1, min(_BLOCKS, work // _WORK))
        figures = np.int64(count), np.int32(classes), np.int64(items.positions), np.int32(items.top)
        numbers = np.float64(items.number), np.float32(items.ignored), np.float64(items.weight)
        module = self._device.module("metrics", METRIC=kind, LANES=lanes)
        module.launch("statistics", (blocks,), (items.label, items.output, self._parts, target, *figures, *numbers))
        if blocks > 1:
            module.launch("add_up", (1,), (self._parts, target, np.int32(blocks)))


def device_statistics(device: Device, metric: Metric, head: Head = UNKNOWN) -> Statistics | None:
    """What computes the statistics of that metric on that GPU; None if the host must compute them.

    Subclasses of the built-in metrics are left to the host, as they may count something else. To be called while the
    device is active.
    """
    return DeviceStatistics(device, metric, head) if type(metric) in _KINDS else None


class DeviceStatistics(Statistics):
    """The statistics of a built-in metric.

    A kernel cannot raise: where the host would raise DataError, because a label is not a class, the sum of CrossEntropy
    and Perplexity is NaN.
    """

    def __init__(self, device: Device, metric: Metric, head: Head) -> None:
        """`head`: what is known of the output."""
        super().__init__(device)
        self._head = head
        self._metric: Any = metric
        self._kind = _KINDS[type(metric)]

    def queue(self, label: Array, output: Array, target: Array) -> None:
        """As of the base class."""
        kind, label, output, classes, positions = self._fitted(label, output)
        top, eps = getattr(self._metric, "top_k", 0), getattr(self._metric, "eps", 0.0)
        self._launch(Items(kind, label, output, classes, positions, top, eps, self._ignored()), target)

    def _ignored(self) -> float:
        """The label that does not count; NaN if all do."""
        ignored = self._metric.ignored(self._head) if isinstance(self._metric, ClassMetric) else None
        return math.nan if ignored is None else ignored

    def _fitted(self, label: Array, output: Array) -> tuple[str, Array, Array, int, int]:
        """The kernel's METRIC, the arrays in its form, and the numbers of classes and of positions.

        Classes are 0 where label and output have the same shape. ShapeError if they do not fit together.
        """
        if isinstance(self._metric, ClassMetric):
            label, output = self._metric.by_class(label, output, self._head)
            _, classes, positions = output.shape
            if self._metric.plain and classes == 1:
                return "ROUNDED", label, output, 0, 1
            return self._kind, label, output, classes, positions
        label, output = same_shape(label, output)
        if not regrouped(label.shape, output.shape):
            raise self._metric._mismatch(label, output, "outputs and labels of one shape")
        return self._kind, label, output, 0, 1
