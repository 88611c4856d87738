"""Metrics of numbers: distances between outputs and labels, their correlation, and the mean of a loss."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Unpack

import numpy as np

from ...array import Array
from ...cpu.array_module import NUMPY
from .base import Head, Metric, Statistics, ratio, same_shape
from .class_metric import Names, regrouped


class _Regression(Metric):
    """A metric of label and output, element by element, of the same shape; (rows,) and (rows, 1) fit."""

    def _pair(self, label: Array, output: Array, head: Head) -> Iterable[float]:
        label, output = same_shape(label, output)
        if not regrouped(label.shape, output.shape):
            raise self._mismatch(label, output, "outputs and labels of one shape")
        # In float64: the squares of large targets, and their sum, would lose digits in float32.
        return self._elements(label.reshape(output.shape).astype(np.float64), output.astype(np.float64))

    def _elements(self, label: Array, output: Array) -> Iterable[float]:
        """The statistics of two float64 arrays of one shape."""
        raise NotImplementedError


class _Distance(_Regression):
    """The mean over elements of some distance."""

    def _elements(self, label: Array, output: Array) -> Iterable[float]:
        return self._distance(label, output).sum(), label.size

    def _distance(self, label: Array, output: Array) -> Array:
        """The distance of each element; float64 arrays of one shape."""
        raise NotImplementedError


class MAE(_Distance):
    """Mean absolute error."""

    def __init__(self, name: str = "mae", **options: Unpack[Names]) -> None:
        super().__init__(name, **options)

    def _distance(self, label: Array, output: Array) -> Array:
        distance: Array = np.abs(label - output)
        return distance


class MSE(_Distance):
    """Mean squared error."""

    def __init__(self, name: str = "mse", **options: Unpack[Names]) -> None:
        super().__init__(name, **options)

    def _distance(self, label: Array, output: Array) -> Array:
        distance: Array = np.square(label - output)
        return distance


class RMSE(MSE):
    """Root of the mean squared error. In training it is the mean of the batches' roots, as in R."""

    def __init__(self, name: str = "rmse", **options: Unpack[Names]) -> None:
        super().__init__(name, **options)

    def value(self, statistics: Statistics) -> float:
        """sqrt(sum of squares / elements) from these two statistics."""
        return math.sqrt(ratio(statistics))


class RMSLE(RMSE):
    """Root of the mean squared difference of log(1 + label) and log(1 + output)."""

    def __init__(self, name: str = "rmsle", **options: Unpack[Names]) -> None:
        super().__init__(name, **options)

    def _distance(self, label: Array, output: Array) -> Array:
        with np.errstate(invalid="ignore"):  # the difference of two infinities
            # An output below -1 has no logarithm: nan is right.
            distance: Array = np.square(NUMPY.log1p(output) - NUMPY.log1p(label))
        return distance


class PearsonCorrelation(_Regression):
    """Pearson's r of labels and outputs, from -1 to 1: their covariance over the product of their deviations.

    As MXNet's PearsonCorrelation and numpy.corrcoef; nan where either is constant. The statistics are the number of
    elements, the sums of labels, outputs, squared labels, squared outputs and products, in float64.
    """

    count = 6
    maximize = True

    def __init__(self, name: str = "pearsonr", **options: Unpack[Names]) -> None:
        super().__init__(name, **options)

    def value(self, statistics: Statistics) -> float:
        """r from the six sums."""
        n, x, y, xx, yy, xy = map(float, statistics)
        spread = max(0.0, n * xx - x * x) * max(0.0, n * yy - y * y)  # rounding may make a constant's negative
        return (n * xy - x * y) / math.sqrt(spread) if spread else math.nan

    def _elements(self, label: Array, output: Array) -> Iterable[float]:
        sums = (label, output, label * label, output * output, label * output)
        return label.size, *(array.sum() for array in sums)


class Loss(Metric):
    """Mean of the output's elements, with or without a label: for networks whose output is a loss. As MXNet's Loss."""

    labelled = False

    def __init__(self, name: str = "loss", **options: Unpack[Names]) -> None:
        super().__init__(name, **options)

    def _pair(self, label: Array, output: Array, head: Head) -> Iterable[float]:
        return output.astype(np.float64).sum(), output.size
