"""mx.metric: the built-in metrics, and `create` and `custom` to get one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ....common.errors import ParameterError
from ....common.suggestion import misspelt
from ...array import Array
from .base import CompositeMetric, Custom, Metric
from .binary import F1, MCC, Precision, Recall
from .classification import Accuracy, CrossEntropy, Perplexity, TopKAccuracy
from .regression import MAE, MSE, RMSE, RMSLE, Loss, PearsonCorrelation

__all__ = [
    "F1", "MAE", "MCC", "MSE", "RMSE", "RMSLE", "Accuracy", "CompositeMetric", "CrossEntropy", "Custom", "Loss",
    "Metric", "PearsonCorrelation", "Perplexity", "Precision", "Recall", "TopKAccuracy", "create", "custom",
    "np",
]  # fmt: skip

_BY_NAME: dict[str, type[Metric]] = {
    "accuracy": Accuracy, "acc": Accuracy, "top_k_accuracy": TopKAccuracy, "top_k_acc": TopKAccuracy,
    "rmse": RMSE, "mae": MAE, "mse": MSE, "rmsle": RMSLE, "pearsonr": PearsonCorrelation,
    "cross-entropy": CrossEntropy, "ce": CrossEntropy, "nll_loss": CrossEntropy, "perplexity": Perplexity,
    "f1": F1, "precision": Precision, "recall": Recall, "mcc": MCC, "loss": Loss,
}  # fmt: skip


def custom(name: str, function: Callable[[Array, Array], Any], maximize: bool = False, **options: Any) -> Custom:
    """A metric from `function(label, output) -> number`, as R's mx.metric.custom; see Custom for its arrays.

    `maximize`: whether more is better. `options`: output_names and label_names.
    """
    return Custom(name, function, maximize, **options)


def np(
    numpy_feval: Callable[[Array, Array], Any], name: str | None = None, allow_extra_outputs: bool = False
) -> Custom:
    """MXNet's form of `custom`: the function comes first, and may return (sum, count) instead of their ratio.

    Without `name` the metric has the function's. `allow_extra_outputs` is there for MXNet's scripts: outputs without a
    label are left out in any case. Raises ParameterError if the function cannot be called with a label and an output.
    """
    called = getattr(numpy_feval, "__name__", type(numpy_feval).__name__)
    chosen = name or (f"custom({called})" if "<" in called else called)
    Custom(chosen, numpy_feval)  # for its errors alone: what is called below takes any function

    def value(label: Array, output: Array) -> Any:
        found = numpy_feval(label, output)
        return found[0] / found[1] if isinstance(found, tuple) else found

    return Custom(chosen, value)


def create(metric: object, **options: Any) -> Metric:
    """A metric from its name, a Metric, a function, or a list of these. `options` are those of the named metric.

    A name such as top_k_accuracy_3 says the number of classes as well. Raises ParameterError if it is none of them, or
    does not take these options.
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, list | tuple):
        return CompositeMetric([create(one, **options) for one in metric])
    if isinstance(metric, str):
        return _named(metric, options)
    if isinstance(metric, type) and issubclass(metric, Metric):
        raise ParameterError("metric", expected=f"an object, {metric.__name__}(...)", got="the class itself")
    if callable(metric):
        return Custom(getattr(metric, "__name__", type(metric).__name__), metric)
    raise _unknown(metric)


def is_maximized(name: str) -> bool:
    """Whether more is better of the built-in metric of that name; False if there is none."""
    kind, _ = _parsed(name)
    return kind is not None and kind.maximize


def _named(name: str, options: dict[str, Any]) -> Metric:
    kind, more = _parsed(name)
    if kind is None:
        raise _unknown(name)
    try:
        return kind(**more, **options)
    except TypeError as error:
        raise ParameterError(f"metric {name}: {error}") from None


def _parsed(name: str) -> tuple[type[Metric] | None, dict[str, Any]]:
    """The metric's class, and what its name says besides."""
    counted = re.fullmatch(r"(top_k_acc(?:uracy)?)_(\d+)", name.lower())
    if counted:
        return _BY_NAME[counted[1]], {"top_k": int(counted[2])}
    return _BY_NAME.get(name.lower()), {}


def _unknown(metric: object) -> ParameterError:
    return ParameterError(
        "metric",
        expected="one of " + ", ".join(_BY_NAME),
        got=misspelt(metric, _BY_NAME),
        remedy="Or pass mx.metric.custom(name, function(label, pred))",
    )
