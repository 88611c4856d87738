"""The loss that a training minimises, measured in every step beside the metric: `model.history.loss`.

It costs a step next to nothing. So it does without what mx.metric's CrossEntropy and MSE do for arrays that come from
anywhere: in training, the network has checked labels and shapes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import numpy as np

from ..array import Array
from ..graphs.graph import Graph
from ..ops.make_loss import MakeLoss, MakeLossNoScale
from ..ops.operator import Operator
from ..ops.regression_output import LinearRegressionOutput, LogisticRegressionOutput, MAERegressionOutput
from ..ops.softmax_output import SoftmaxOutput
from ..ops.svm_output import SVMOutput
from .metrics.base import Head, Metric, OneOrMore, Statistics, ValueOf
from .metrics.class_metric import class_scores
from .pairing import loss_of

EPS = 1e-12  # added to probabilities, as in CrossEntropy
_EPS_OF_SINGLES = np.float32(EPS)

_QUIET = np.errstate(over="ignore", invalid="ignore", divide="ignore")  # a training that diverges is noticed elsewhere

Term = Callable[[Array, Array], tuple[float, int]]  # label and output -> the loss of all elements, and their number


class HeadLoss(Metric):
    """The sum over a network's losses of each one's mean: cross-entropy, squared or absolute error, the hinge loss of
    SVMOutput, MakeLoss's output.

    Custom operators are left out, as only their author knows their loss; NaN if no other is there. grad_scale and
    smooth_alpha do not count. As for any metric, the value of a training is the mean over its batches.
    """

    def __init__(self, symbol: Graph, checks: bool = False) -> None:
        """`checks`: whether a label may be no class, as in an evaluation; the loss is NaN then."""
        ops = zip(symbol.list_outputs(), map(loss_of, symbol.heads), strict=True)
        # By output, in the order of statistics.
        self.ops: dict[str, Operator] = {name: op for name, op in ops if op is not None and isinstance(op, _KNOWN)}
        self._checks = checks
        self._terms = {name: _term(op, checks) for name, op in self.ops.items()}
        self.count = 2 * len(self._terms)  # type: ignore[misc]
        super().__init__("loss")

    def statistics(self, labels: OneOrMore, outputs: OneOrMore, heads: Sequence[Head] | None = None) -> Array:
        """(count,): for each loss its sum and the number of its elements. `heads` must be given."""
        return np.array(self._figures(labels, outputs, heads), np.float64).ravel()

    def value(self, statistics: Statistics) -> float:
        """The sum of the means of those losses of which there are elements."""
        return _sum_of_means(np.reshape(statistics, (-1, 2)).tolist())

    def measure(self, labels: OneOrMore, outputs: OneOrMore, heads: Sequence[Head] | None = None) -> float:
        """The value of these arrays."""
        return _sum_of_means(self._figures(labels, outputs, heads))

    def compiled(self, head: Head) -> ValueOf | None:
        """The cross-entropy, if that is the only loss and nothing is looked at."""
        op = self.ops.get(head.output)
        if self._checks or len(self.ops) > 1 or not isinstance(op, SoftmaxOutput) or op.use_ignore:
            return None
        cross_entropy = class_scores().cross_entropy
        return lambda label, output: cross_entropy(label, output, _EPS_OF_SINGLES) / label.size

    def _figures(self, labels: OneOrMore, outputs: OneOrMore, heads: Sequence[Head] | None) -> list[tuple[float, int]]:
        assert heads is not None
        given = {head.output: (label, output) for label, output, head in zip(labels, outputs, heads, strict=True)}
        return [term(*given[name]) if name in given else (0.0, 0) for name, term in self._terms.items()]


def _sum_of_means(figures: Sequence[Sequence[float]]) -> float:
    means = [total / number for total, number in figures if number]
    return sum(means) if means else math.nan


def _term(op: Operator, checks: bool) -> Term:
    """What computes that operator's loss."""
    if isinstance(op, SoftmaxOutput):
        return partial(_cross_entropy, op, checks)
    if isinstance(op, SVMOutput):
        return partial(_hinge, op, checks)
    return _TERMS[type(op)]


def _cross_entropy(op: SoftmaxOutput, checks: bool, label: Array, output: Array) -> tuple[float, int]:
    """Of the classes' probabilities, or of labels that are probabilities themselves; ignored labels do not count."""
    if not (checks or op.use_ignore) and (figure := _figure(label, output)) is not None:
        return figure
    shaped = op.rows(output)
    rows, classes, positions = shaped.shape
    if label.shape == output.shape and classes > 1:
        return -float((op.rows(label) * np.log(shaped + EPS, dtype=np.float64)).sum()), rows * positions
    label = label.reshape(rows, positions)
    counts = label != op.ignore_label if op.use_ignore else None
    if counts is not None:
        label = np.where(counts, label, 0)
    if checks and not (label.size and label.min() > -1 and label.max() < classes):
        return math.nan, 1
    index = label.astype(np.intp)
    if positions > 1:
        index *= positions
    index += _places(rows, classes, positions)
    found = np.log(shaped.ravel().take(index) + EPS)
    if counts is not None:
        found = found[counts]
    return -float(np.add.reduce(found, axis=None, dtype=np.float64)), found.size


def _figure(label: Array, output: Array) -> tuple[float, int] | None:
    """The same in one compiled pass, for the usual arrays; None for others."""
    scores = class_scores()
    return (scores.cross_entropy(label, output, _EPS_OF_SINGLES), label.size) if scores.takes(label, output) else None


@lru_cache(maxsize=4)
def _places(rows: int, classes: int, positions: int) -> Array:
    """Where the first class of each row and position lies in an array of that shape, (rows, positions)."""
    return np.arange(0, rows * classes * positions, classes * positions)[:, None] + np.arange(positions)


@_QUIET
def _hinge(op: SVMOutput, checks: bool, label: Array, output: Array) -> tuple[float, int]:
    """Of each row C times the sum over classes of max(0, margin - t x), or of its square, as of SVMOutput."""
    if checks and not np.isin(label, np.arange(output.shape[1])).all():
        return math.nan, 1
    missing = op.margin - output
    own = np.arange(output.shape[1]) == label[:, None]
    missing[~own] = op.margin + output[~own]
    np.maximum(missing, 0, out=missing)
    total = missing.sum(dtype=np.float64) if op.use_linear else np.vdot(missing, missing)
    return op.regularization_coefficient * float(total), len(output)


def _difference(label: Array, output: Array) -> Array:
    found: Array = (output - label.reshape(output.shape)).ravel()
    return found


@_QUIET
def _squared_error(label: Array, output: Array) -> tuple[float, int]:
    difference = _difference(label, output)
    return float(np.dot(difference, difference)), difference.size


@_QUIET
def _absolute_error(label: Array, output: Array) -> tuple[float, int]:
    difference = _difference(label, output)
    return float(np.abs(difference, out=difference).sum(dtype=np.float64)), difference.size


@_QUIET
def _binary_cross_entropy(label: Array, output: Array) -> tuple[float, int]:
    label = label.reshape(output.shape)
    right = label * np.log(output + EPS, dtype=np.float64) + (1 - label) * np.log(1 - output + EPS, dtype=np.float64)
    return -float(right.sum()), output.size


def _own_value(label: Array, output: Array) -> tuple[float, int]:
    return float(output.sum(dtype=np.float64)), output.size


_TERMS: dict[type[Operator], Term] = {
    LinearRegressionOutput: _squared_error, MAERegressionOutput: _absolute_error,
    LogisticRegressionOutput: _binary_cross_entropy, MakeLoss: _own_value, MakeLossNoScale: _own_value,
}  # fmt: skip
_KNOWN: tuple[type[Operator], ...] = (SoftmaxOutput, SVMOutput, *_TERMS)
