"""What a metric is: one value per global batch, averaged over batches, as in R.

A built-in metric turns its share of a batch's rows into a few numbers that can be added up over workers
(`statistics`); `value` makes the batch's figure of the sum. A custom metric has no such numbers (`sums` is False)
and sees whole labels and outputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from ....common.errors import ParameterError, ShapeError
from ...array import Array

OneOrMore = Array | Sequence[Array]


class Metric:
    """Base class. Subclasses define `name`, `count` of statistics, `_pair` and `value`.

    `labels` and `outputs` are an array each, or lists of equal length; statistics of several pairs are added.
    Who counts batches later than they are trained, as GPUs do, sets `settle` to what counts those that are due.
    """

    count: ClassVar[int] = 2
    maximize: ClassVar[bool] = False  # whether more is better
    sums: ClassVar[bool] = True  # whether `statistics` of shares can be added up
    name: str

    def __init__(self, name: str) -> None:
        self.name = name
        self.settle: Callable[[], None] = nothing_due
        self.reset()

    def statistics(self, labels: OneOrMore, outputs: OneOrMore) -> Array:
        """float64 numbers, `count` of them, of these rows; the sum over shares of a batch is that of the batch."""
        total = np.zeros(self.count)
        for label, output in self._pairs(labels, outputs):
            total += np.array(tuple(self._pair(label, output)), np.float64)
        return total

    def value(self, statistics: Array) -> float:
        """The figure of one global batch."""
        return ratio(statistics)

    def _pair(self, label: Array, output: Array) -> Iterable[float]:
        raise NotImplementedError

    def measure(self, labels: OneOrMore, outputs: OneOrMore) -> float:
        """The figure of one whole batch."""
        return self.value(self.statistics(labels, outputs))

    def add(self, value: float) -> None:
        """Count one global batch whose figure is `value`."""
        self.total += value
        self.batches += 1

    def update(self, labels: OneOrMore, outputs: OneOrMore) -> None:
        """Count one global batch."""
        self.add(self.measure(labels, outputs))

    def get(self) -> tuple[str, float]:
        """Name and mean over the batches since `reset`; nan if there were none."""
        self.settle()
        return self.name, self.total / self.batches if self.batches else math.nan

    def reset(self) -> None:
        """Forget all batches."""
        self.settle()
        self.total, self.batches = 0.0, 0

    def leaves(self) -> list[Metric]:
        """The single metrics in it: itself, or a composite's members."""
        return [self]

    def _pairs(self, labels: OneOrMore, outputs: OneOrMore) -> Iterator[tuple[Array, Array]]:
        left, right = _listed(labels), _listed(outputs)
        if len(left) != len(right):
            raise ShapeError(f"metric {self.name}", expected=f"as many labels as outputs ({len(right)})", got=len(left))
        return zip(left, right, strict=True)

    def _mismatch(self, label: Array, output: Array, expected: str) -> ShapeError:
        return ShapeError(f"metric {self.name}", expected=expected, got=f"label {label.shape}, output {output.shape}")


class Custom(Metric):
    """A metric that is a function of a whole batch: `function(label, output) -> number`.

    Where the output has one column and the label none, the output comes as a vector too, so that `label - output`
    means what it says. Several pairs of labels and outputs are averaged.
    """

    sums = False  # nothing to add up over workers: labels and outputs travel

    def __init__(self, name: str, function: Callable[[Array, Array], Any], maximize: bool = False) -> None:
        self.function = function
        self.maximize = maximize  # type: ignore[misc]
        super().__init__(name)

    def measure(self, labels: OneOrMore, outputs: OneOrMore) -> float:
        """The function's value; ParameterError if it gives no number."""
        values = [self.function(*same_shape(label, output)) for label, output in self._pairs(labels, outputs)]
        try:
            return math.fsum(float(value) for value in values) / len(values)
        except (TypeError, ValueError):
            raise ParameterError(
                f"metric {self.name}: its function", expected="a number", got=repr(values[0])
            ) from None


class CompositeMetric(Metric):
    """Several metrics at once. `get` gives a list of names and a list of values."""

    sums = False  # each leaf has statistics of its own

    def __init__(self, metrics: Sequence[Metric], name: str = "composite") -> None:
        self.metrics = [leaf for metric in metrics for leaf in metric.leaves()]
        super().__init__(name)

    def leaves(self) -> list[Metric]:
        """The members."""
        return self.metrics

    def update(self, labels: OneOrMore, outputs: OneOrMore) -> None:
        """Count one global batch in each."""
        for metric in self.metrics:
            metric.update(labels, outputs)

    def get(self) -> tuple[list[str], list[float]]:  # type: ignore[override]
        """Names and means."""
        pairs = [metric.get() for metric in self.metrics]
        return [name for name, _ in pairs], [value for _, value in pairs]

    def reset(self) -> None:
        """Forget all batches of all members."""
        for metric in self.metrics:
            metric.reset()


def nothing_due() -> None:
    """Every batch has been counted."""


def ratio(statistics: Array) -> float:
    """statistics[0] / statistics[1]; nan if nothing was counted."""
    return float(statistics[0]) / float(statistics[1]) if statistics[1] else math.nan


def _listed(arrays: OneOrMore) -> list[Array]:
    items = [arrays] if hasattr(arrays, "shape") else arrays
    return [np.asarray(array) for array in items]


def column(label: Array) -> Array:
    """(rows, 1) as (rows,)."""
    return label[:, 0] if label.ndim == 2 and label.shape[1] == 1 else label


def same_shape(label: Array, output: Array) -> tuple[Array, Array]:
    """The two with one-column matrices as vectors, if that makes them alike."""
    if label.shape != output.shape and column(label).shape == column(output).shape:
        return column(label), column(output)
    return label, output
