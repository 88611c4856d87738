"""The loss that a training minimises, measured in every step beside the metric: `model.history.loss`.

It costs a step next to nothing. So it does without what mx.metric's CrossEntropy and MSE do for arrays that come from
anywhere: in training, the network has checked labels and shapes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np

from ..array import Array
from ..graphs.graph import Graph
from ..ops.make_loss import MakeLoss, MakeLossNoScale
from ..ops.operator import Operator
from ..ops.regression_output import LinearRegressionOutput, LogisticRegressionOutput, MAERegressionOutput
from ..ops.softmax_output import SoftmaxOutput
from .metrics.base import Head, Metric, OneOrMore
from .pairing import loss_of

EPS = 1e-12  # added to probabilities, as in CrossEntropy
MANY = 32  # batches that are counted at once, if none has more bytes than:
SMALL = 1 << 14

_QUIET = np.errstate(over="ignore", invalid="ignore", divide="ignore")  # a training that diverges is noticed elsewhere

Pair = tuple[Array, Array]  # a label and an output
Term = Callable[[Array, Array], Array]  # from these: the loss of each element that counts, in the order of the batch


class HeadLoss(Metric):
    """The sum over a network's losses of each one's mean: cross-entropy, squared or absolute error, MakeLoss's output.

    Losses of other operators, such as SVMOutput and Custom, are left out; NaN if no other is there. grad_scale and
    smooth_alpha do not count. As for any metric, the value of a training is the mean over its batches.
    """

    def __init__(self, symbol: Graph, checks: bool = False) -> None:
        """`checks`: whether a label may be no class, as in an evaluation; the loss is NaN then."""
        ops = [(name, loss_of(entry)) for name, entry in zip(symbol.list_outputs(), symbol.heads, strict=True)]
        self._terms = {name: term for name, op in ops if op is not None and (term := _term(op, checks))}
        # Only where all batches have as many elements is the mean of many of them the mean of their means.
        self._may_wait = not any(isinstance(op, SoftmaxOutput) and op.use_ignore for _, op in ops)
        self._waiting: list[list[Pair]] = []
        self._heads: Sequence[Head] | None = None  # those that `_order` is about
        self._order: list[tuple[int, str]] = []
        self.count = 2 * len(self._terms)  # type: ignore[misc]
        super().__init__("loss")
        self.settle = self._count_waiting

    def update(self, labels: OneOrMore, outputs: OneOrMore, heads: Sequence[Head] | None = None) -> None:
        """Count one global batch; a small one only when there are MANY, or when the value is asked for.

        For a small network numpy's calls would take longer than the rest of the step.
        """
        pairs = self._pairs_of(labels, outputs, heads)
        size = sum(label.nbytes + output.nbytes for label, output in pairs)
        if size > SMALL or not self._may_wait:
            self._count(pairs, 1)
            return
        self._waiting.append([(label.copy(), output.copy()) for label, output in pairs])
        if len(self._waiting) == MANY:
            self._count_waiting()

    def statistics(self, labels: OneOrMore, outputs: OneOrMore, heads: Sequence[Head] | None = None) -> Array:
        """(count,): for each loss its sum and the number of its elements. `heads` must be given."""
        found = dict.fromkeys(self._terms, (0.0, 0))
        for name, losses in self._losses(self._pairs_of(labels, outputs, heads)):
            found[name] = float(_sums(losses, 1)[0]), losses.size
        return np.array(list(found.values()), np.float64).ravel()

    def value(self, statistics: Array) -> float:
        """The sum of the means of those losses of which there are elements."""
        means = [total / number for total, number in statistics.reshape(-1, 2).tolist() if number]
        return sum(means) if means else math.nan

    def _count_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            each = [zip(*pairs, strict=True) for pairs in zip(*waiting, strict=True)]  # labels and outputs of each loss
            self._count([(np.concatenate(labels), np.concatenate(outputs)) for labels, outputs in each], len(waiting))

    def _count(self, pairs: Sequence[Pair], batches: int) -> None:
        """Count that many batches, whose arrays are joined: with the same bits as one by one."""
        means = [_sums(losses, batches) / (losses.size / batches) for _, losses in self._losses(pairs) if losses.size]
        for value in np.add.reduce(means).tolist() if means else [math.nan]:
            self.add(value)

    def _losses(self, pairs: Sequence[Pair]) -> Iterator[tuple[str, Array]]:
        return ((name, self._terms[name](*pair)) for (_, name), pair in zip(self._order, pairs, strict=True))

    def _pairs_of(self, labels: OneOrMore, outputs: OneOrMore, heads: Sequence[Head] | None) -> list[Pair]:
        """Label and output of each loss; where no label is read, the output in its place."""
        assert heads is not None
        if heads is not self._heads:
            self._heads = heads
            self._order = [(n, head.output) for n, head in enumerate(heads) if head.output in self._terms]
        read = (outputs if self._terms[name] is _own_value else labels for _, name in self._order)
        return [(label[n], outputs[n]) for label, (n, _) in zip(read, self._order, strict=True)]


def _sums(losses: Array, batches: int) -> Array:
    """The sum of each batch, (batches,), whose bits do not depend on how many there are."""
    found: Array = np.add.reduce(losses.reshape(batches, -1), axis=1, dtype=np.float64)
    return found


def _term(op: Operator, checks: bool) -> Term | None:
    """What computes that operator's loss; None if its loss is not known."""
    if isinstance(op, SoftmaxOutput):
        return lambda label, output: _cross_entropy(op, label, output, checks)
    return _TERMS.get(type(op))


def _cross_entropy(op: SoftmaxOutput, label: Array, output: Array, checks: bool) -> Array:
    """Of the classes' probabilities, or of labels that are probabilities themselves; ignored labels do not count."""
    shaped = op.rows(output)
    rows, classes, positions = shaped.shape
    if label.shape == output.shape and classes > 1:
        losses: Array = -(op.rows(label) * np.log(shaped + EPS, dtype=np.float64)).sum(axis=1)
        return losses
    label = label.reshape(rows, positions)
    counts = label != op.ignore_label if op.use_ignore else None
    if counts is not None:
        label = np.where(counts, label, 0)
    if checks and not (label.size and label.min() > -1 and label.max() < classes):
        return np.array([math.nan])
    index = label.astype(np.intp)
    if positions > 1:
        index *= positions
    index += _places(rows, classes, positions)
    losses = -np.log(shaped.ravel().take(index) + EPS, dtype=np.float64)
    return losses if counts is None else losses[counts]


@lru_cache(maxsize=4)
def _places(rows: int, classes: int, positions: int) -> Array:
    """Where the first class of each row and position lies in an array of that shape, (rows, positions)."""
    return np.arange(0, rows * classes * positions, classes * positions)[:, None] + np.arange(positions)


@_QUIET
def _squared_error(label: Array, output: Array) -> Array:
    found: Array = np.square(output - label.reshape(output.shape))
    return found


@_QUIET
def _absolute_error(label: Array, output: Array) -> Array:
    found: Array = np.abs(output - label.reshape(output.shape))
    return found


@_QUIET
def _binary_cross_entropy(label: Array, output: Array) -> Array:
    label = label.reshape(output.shape)
    right = label * np.log(output + EPS, dtype=np.float64) + (1 - label) * np.log(1 - output + EPS, dtype=np.float64)
    found: Array = -right
    return found


def _own_value(label: Array, output: Array) -> Array:
    return output


_TERMS: dict[type[Operator], Term] = {
    LinearRegressionOutput: _squared_error, MAERegressionOutput: _absolute_error,
    LogisticRegressionOutput: _binary_cross_entropy, MakeLoss: _own_value, MakeLossNoScale: _own_value,
}  # fmt: skip
