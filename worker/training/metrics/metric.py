"""mx.metric: the built-in metrics, and `create` and `custom` to get one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ....common.checks import whole_number
from ....common.errors import DataError, ParameterError
from ...array import Array
from .base import CompositeMetric, Custom, Metric, column, ratio, same_shape


class Accuracy(Metric):
    """Share of rows whose likeliest class is the label; among equally likely ones the first class counts.

    Outputs (rows, classes) go with labels (rows,) or (rows, 1), outputs (rows, classes, ...) with labels (rows, ...).
    A single column (rows, 1) is a probability, above 0.5 class 1; an output of the label's shape holds classes already.
    """

    maximize = True

    def __init__(self, name: str = "accuracy") -> None:
        super().__init__(name)

    def _pair(self, label: Array, output: Array) -> Iterable[float]:
        label = column(label)
        if output.ndim == label.ndim + 1 and output.shape[1] == 1:
            output = output[:, 0]
        # `rint` rounds 0.5 to the even 0, so a probability must be above it.
        chosen = np.rint(output) if output.shape == label.shape else output.argmax(axis=1)
        if chosen.shape != label.shape:
            raise self._mismatch(label, output, "outputs (rows, classes) and labels (rows,)")
        return int((chosen == label).sum()), label.size


class TopKAccuracy(Metric):
    """Share of rows whose label is among the `top_k` likeliest classes; among equally likely ones the first come first.

    Outputs are (rows, classes), labels (rows,) or (rows, 1).
    """

    maximize = True

    def __init__(self, top_k: int = 5, name: str | None = None) -> None:
        """Raises ParameterError if `top_k` is not a whole number of 1 or more."""
        self.top_k = whole_number("TopKAccuracy: top_k", top_k, 1)
        super().__init__(name or f"top_k_accuracy_{top_k}")

    def _pair(self, label: Array, output: Array) -> Iterable[float]:
        label = column(label)
        if output.ndim != 2 or output.shape[:1] != label.shape:
            raise self._mismatch(label, output, "outputs (rows, classes) and labels (rows,)")
        best = np.argsort(-output, axis=1, kind="stable")[:, : self.top_k]  # stable keeps equal ones in their order
        return int((best == label[:, None]).sum()), label.size


class _Regression(Metric):
    """A mean over elements of some distance between label and output, of the same shape; (rows,) and (rows, 1) fit."""

    def _pair(self, label: Array, output: Array) -> Iterable[float]:
        label, output = same_shape(label, output)
        if label.shape != output.shape:
            raise self._mismatch(label, output, "outputs and labels of one shape")
        # In float64: the squares of large targets, and their sum, would lose digits in float32.
        return self._distance(label.astype(np.float64), output.astype(np.float64)).sum(), label.size

    def _distance(self, label: Array, output: Array) -> Array:
        """The distance of each element; float64 arrays of one shape."""
        raise NotImplementedError


class MAE(_Regression):
    """Mean absolute error."""

    def __init__(self, name: str = "mae") -> None:
        super().__init__(name)

    def _distance(self, label: Array, output: Array) -> Array:
        distance: Array = np.abs(label - output)
        return distance


class MSE(_Regression):
    """Mean squared error."""

    def __init__(self, name: str = "mse") -> None:
        super().__init__(name)

    def _distance(self, label: Array, output: Array) -> Array:
        distance: Array = np.square(label - output)
        return distance


class RMSE(MSE):
    """Root of the batch's mean squared error. Over several batches it is the mean of the roots, as in R."""

    def __init__(self, name: str = "rmse") -> None:
        super().__init__(name)

    def value(self, statistics: Array) -> float:
        """sqrt(sum of squares / elements) from these two statistics, an array (2,)."""
        return math.sqrt(ratio(statistics))


class RMSLE(RMSE):
    """Root of the mean squared difference of log(1 + label) and log(1 + output)."""

    def __init__(self, name: str = "rmsle") -> None:
        super().__init__(name)

    def _distance(self, label: Array, output: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):  # an output below -1 has no logarithm: nan is right
            distance: Array = np.square(np.log1p(output) - np.log1p(label))
        return distance


class CrossEntropy(Metric):
    """Mean of -log(probability of the label's class + eps).

    Outputs are probabilities (rows, classes), labels (rows,) or (rows, 1). Raises DataError if a label is not a class.
    """

    def __init__(self, eps: float = 1e-12, name: str = "cross-entropy") -> None:
        self.eps = eps
        super().__init__(name)

    def _pair(self, label: Array, output: Array) -> Iterable[float]:
        label = column(label)
        if output.ndim != 2 or output.shape[:1] != label.shape:
            raise self._mismatch(label, output, "outputs (rows, classes) and labels (rows,)")
        classes = label.astype(np.int64)
        if ((classes < 0) | (classes >= output.shape[1])).any():
            raise DataError(
                f"metric {self.name}: label",
                expected=f"0 to {output.shape[1] - 1}",
                got=f"{label.min()} to {label.max()}",
            )
        # In float64, where `eps` still counts beside a small probability.
        chosen = output[np.arange(len(label)), classes].astype(np.float64)
        return -np.log(chosen + self.eps).sum(), label.size


class Perplexity(CrossEntropy):
    """exp of the batch's cross entropy, at most exp(700)."""

    def __init__(self, eps: float = 1e-10, name: str = "perplexity") -> None:
        super().__init__(eps, name)

    def value(self, statistics: Array) -> float:
        """exp(sum of -log probabilities / rows) from these two statistics, an array (2,)."""
        # math.exp raises OverflowError above 709. NaN stays NaN, as min returns its first argument then.
        return math.exp(min(ratio(statistics), 700.0))


_BY_NAME: dict[str, type[Metric]] = {
    "accuracy": Accuracy, "acc": Accuracy, "top_k_accuracy": TopKAccuracy, "top_k_acc": TopKAccuracy,
    "rmse": RMSE, "mae": MAE, "mse": MSE, "rmsle": RMSLE,
    "cross-entropy": CrossEntropy, "ce": CrossEntropy, "perplexity": Perplexity,
}  # fmt: skip


def custom(name: str, function: Callable[[Array, Array], Any], maximize: bool = False) -> Custom:
    """A metric from `function(label, output) -> number`, as R's mx.metric.custom; see Custom for its arrays.

    `maximize`: whether more is better.
    """
    return Custom(name, function, maximize)


def create(metric: object, **options: Any) -> Metric:
    """A metric from its name, a Metric, a function, or a list of these. `options` are those of the named metric.

    Raises ParameterError if it is none of them, or does not take these options.
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, list | tuple):
        return CompositeMetric([create(one, **options) for one in metric])
    if isinstance(metric, str) and metric in _BY_NAME:
        try:
            return _BY_NAME[metric](**options)
        except TypeError as error:
            raise ParameterError(f"metric {metric}: {error}") from None
    if callable(metric):
        return Custom(getattr(metric, "__name__", type(metric).__name__), metric)
    raise ParameterError(
        "metric",
        expected="one of " + ", ".join(_BY_NAME),
        got=repr(metric),
        remedy="Or pass mx.metric.custom(name, function(label, pred))",
    )
