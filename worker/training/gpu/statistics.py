"""A metric's statistics, computed where the outputs lie: two numbers leave the GPU instead of all outputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...array import Array
from ...cuda.compiled_source import THREADS
from ...cuda.device import Device
from ..metrics.base import Metric, column, same_shape
from ..metrics.metric import MAE, MSE, RMSE, RMSLE, Accuracy, CrossEntropy, Perplexity, TopKAccuracy

# The macro METRIC of cuda/source/metrics.cu. Metrics that differ in `value` alone share one.
_KINDS: dict[type[Metric], str] = {
    Accuracy: "CHOSEN", TopKAccuracy: "TOP", MAE: "ABSOLUTE", MSE: "SQUARED", RMSE: "SQUARED", RMSLE: "LOGARITHMIC",
    CrossEntropy: "ENTROPY", Perplexity: "ENTROPY",
}  # fmt: skip
_WARP = 32
_BLOCKS = THREADS  # at most, as one block adds up what they leave, with a thread for each
_WORK = 1 << 14  # elements that each block works on at least, where there are several


def device_statistics(device: Device, metric: Metric) -> DeviceStatistics | None:
    """What computes the statistics of that metric on that GPU; None if the host must compute them.

    Subclasses of the built-in metrics are left to the host, as they may count something else. To be called while the
    device is active.
    """
    return DeviceStatistics(device, metric) if type(metric) in _KINDS else None


class DeviceStatistics:
    """The statistics of a built-in metric: counts are exact, sums are made in double precision in a fixed order.

    A kernel cannot raise: where the host would raise DataError, because a label is not a class, the sum of CrossEntropy
    and Perplexity is NaN.
    """

    def __init__(self, device: Device, metric: Metric) -> None:
        self._device = device
        self._metric: Any = metric
        self._kind = _KINDS[type(metric)]
        self._parts = device.empty((_BLOCKS,), np.float64)

    def queue(self, label: Array, output: Array, target: Array) -> None:
        """Queue target = the statistics of these rows; target is float64, (metric.count,).

        label (rows, ...) and output (rows, ...), float32 in C order, are as the metric's class says. Does not wait.
        Raises ShapeError if the shapes do not fit together.
        """
        kind, label, output, classes = self._fitted(label, output)
        # A warp looks through the classes of an item if they lie side by side and are enough for all its threads.
        positions = label.size // max(1, len(output)) if classes else 1
        lanes = _WARP if kind in ("CHOSEN", "TOP") and positions == 1 and classes >= _WARP else 1
        work = label.size * (max(1, classes) if kind in ("CHOSEN", "TOP") else 1)
        blocks = max(1, min(_BLOCKS, work // _WORK))
        top, eps = getattr(self._metric, "top_k", 0), getattr(self._metric, "eps", 0.0)
        figures = np.int64(label.size), np.int32(classes), np.int64(positions), np.int32(top), np.float64(eps)
        module = self._device.module("metrics", METRIC=kind, LANES=lanes)
        module.launch("statistics", (blocks,), (label, output, self._parts, target, *figures))
        if blocks > 1:
            module.launch("add_up", (1,), (self._parts, target, np.int32(blocks), np.int64(label.size)))

    def _fitted(self, label: Array, output: Array) -> tuple[str, Array, Array, int]:
        """The kernel's METRIC, the arrays without axes of length 1 that do not count, and the number of classes.

        That is 0 where label and output have the same shape. ShapeError if they do not fit together.
        """
        if self._kind == "CHOSEN":
            return self._classes(column(label), output)
        if self._kind in ("TOP", "ENTROPY"):
            label, expected = column(label), "outputs (rows, classes) and labels (rows,)"
            fits, classes = output.ndim == 2 and output.shape[:1] == label.shape, output.shape[-1]
        else:
            (label, output), expected = same_shape(label, output), "outputs and labels of one shape"
            fits, classes = label.shape == output.shape, 0
        if not fits:
            raise self._metric._mismatch(label, output, expected)
        return self._kind, label, output, classes

    def _classes(self, label: Array, output: Array) -> tuple[str, Array, Array, int]:
        """As `_fitted`, for Accuracy with its three forms of outputs."""
        if output.ndim == label.ndim + 1 and output.shape[1] == 1:
            output = output[:, 0]
        if output.shape == label.shape:
            return "ROUNDED", label, output, 0
        if output.ndim < 2 or (output.shape[0], *output.shape[2:]) != label.shape:
            raise self._metric._mismatch(label, output, "outputs (rows, classes) and labels (rows,)")
        return "CHOSEN", label, output, output.shape[1]
