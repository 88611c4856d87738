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
    """Share of rows whose likeliest class is the label; among equals the first class counts.

    Outputs are (rows, classes) or (rows, classes, ...). A single column is a probability (above 0.5 is class 1), and
    an output of the label's shape holds classes already.
    """

    maximize = True

    def __init__(self, name: str = "accuracy") -> None:
        super().__init__(name)

    def _pair(self, label: Array, output: Array) -> Iterable[float]:
        label = column(label)
        if output.ndim == label.ndim + 1 and output.shape[1] == 1:
            output = output[:, 0]
        chosen = np.rint(output) if output.shape == label.shape else output.argmax(axis=1)
        if chosen.shape != label.shape:
            raise self._mismatch(label, output, "outputs (rows, classes) and labels (rows,)")
        return int((chosen == label).sum()), label.size


class TopKAccuracy(Metric):
    """Share of rows whose label is among the `top_k` likeliest classes. Outputs are (rows, classes)."""

    maximize = True

    def __init__(self, top_k: int = 5, name: str | None = None) -> None:
        self.top_k = whole_number("TopKAccuracy: top_k", top_k, 1)
        super().__init__(name or f"top_k_accuracy_{top_k}")

    def _pair(self, label: Array, output: Array) -> Iterable[float]:
        label = column(label)
        if output.ndim != 2 or output.shape[:1] != label.shape:
            raise self._mismatch(label, output, "outputs (rows, classes) and labels (rows,)")
        best = np.argsort(-output, axis=1, kind="stable")[:, : self.top_k]
        return int((best == label[:, None]).sum()), label.size


class _Regression(Metric):
    """A mean over elements of some distance between label and output."""

    def _pair(self, label: Array, output: Array) -> Iterable[float]:
        label, output = same_shape(label, output)
        if label.shape != output.shape:
            raise self._mismatch(label, output, "outputs and labels of one shape")
        return self._distance(label.astype(np.float64), output.astype(np.float64)).sum(), label.size

    def _distance(self, label: Array, output: Array) -> Array:
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
    """Root of the batch's mean squared error; the mean over batches is that of the roots."""

    def __init__(self, name: str = "rmse") -> None:
        super().__init__(name)

    def value(self, statistics: Array) -> float:
        """sqrt(sum of squares / elements)."""
        return math.sqrt(ratio(statistics))


class RMSLE(RMSE):
    """Root of the mean squared difference of log(1 + label) and log(1 + output)."""

    def __init__(self, name: str = "rmsle") -> None:
        super().__init__(name)

    def _distance(self, label: Array, output: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):  # an output below -1 gives nan, as it should
            distance: Array = np.square(np.log1p(output) - np.log1p(label))
        return distance


class CrossEntropy(Metric):
    """Mean of -log(probability of the label's class + eps). Outputs are probabilities (rows, classes)."""

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
        chosen = output[np.arange(len(label)), classes].astype(np.float64)
        return -np.log(chosen + self.eps).sum(), label.size


class Perplexity(CrossEntropy):
    """exp of the batch's cross entropy."""

    def __init__(self, eps: float = 1e-10, name: str = "perplexity") -> None:
        super().__init__(eps, name)

    def value(self, statistics: Array) -> float:
        """exp(sum of -log probabilities / rows)."""
        return math.exp(min(ratio(statistics), 700.0))


_BY_NAME: dict[str, type[Metric]] = {
    "accuracy": Accuracy, "acc": Accuracy, "top_k_accuracy": TopKAccuracy, "top_k_acc": TopKAccuracy,
    "rmse": RMSE, "mae": MAE, "mse": MSE, "rmsle": RMSLE,
    "cross-entropy": CrossEntropy, "ce": CrossEntropy, "perplexity": Perplexity,
}  # fmt: skip


def custom(name: str, function: Callable[[Array, Array], Any], maximize: bool = False) -> Custom:
    """A metric from `function(label, output) -> number`; R's mx.metric.custom."""
    return Custom(name, function, maximize)


def create(metric: object, **options: Any) -> Metric:
    """A metric from its name, a Metric, a function, or a list of these; ParameterError if it is none of them."""
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
