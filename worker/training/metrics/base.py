"""What a metric is: one value per global batch, averaged over batches, as in R.

A built-in metric turns a worker's rows of a batch into a few numbers that can be added up over workers
(`statistics`); `value` computes the batch's value from their sum. A custom metric has no such numbers (`sums` is
False) and sees whole labels and outputs.
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
    """Base class. Subclasses define `_pair` and, if the value is not a ratio, `count` and `value`.

    `labels` and `outputs` are an array each, or lists of equal length, whose pairs are counted together; the first axis
    of each array is the example, and shapes are as the subclass says. Methods that take them raise ShapeError if they
    do not fit together. `statistics` are (count,) float64: here a sum, and the number of elements in it.

    An engine that counts batches later than it trains them, as on GPUs, sets `settle` to what counts those that are
    due. It is called before a value is read.
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
        """(count,) float64 numbers of these rows; their sum over the workers is that of the whole batch."""
        total = np.zeros(self.count)  # float64: counts stay exact, and sums hardly depend on how rows were shared out
        for label, output in self._pairs(labels, outputs):
            total += np.array(tuple(self._pair(label, output)), np.float64)
        return total

    def value(self, statistics: Array) -> float:
        """The value of one global batch from its statistics; nan if it has no elements."""
        return ratio(statistics)

    def _pair(self, label: Array, output: Array) -> Iterable[float]:
        """The statistics of one label with its output."""
        raise NotImplementedError

    def measure(self, labels: OneOrMore, outputs: OneOrMore) -> float:
        """The value of one whole batch."""
        return self.value(self.statistics(labels, outputs))

    def add(self, value: float) -> None:
        """Count one global batch whose value is known."""
        self.total += value
        self.batches += 1

    def update(self, labels: OneOrMore, outputs: OneOrMore) -> None:
        """Count one global batch, given whole."""
        self.add(self.measure(labels, outputs))

    def get(self) -> tuple[str, float]:
        """Name and mean over the batches since `reset`; nan if there were none."""
        self.settle()
        return self.name, self.total / self.batches if self.batches else math.nan

    def reset(self) -> None:
        """Forget all batches."""
        self.settle()  # or those that are due would be counted after this
        self.total, self.batches = 0.0, 0

    def leaves(self) -> list[Metric]:
        """The single metrics that it consists of: itself, or a composite's members."""
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

    Both are arrays of all rows, of the shapes that the iterator and the network give them; but an output (N, 1)
    with a label (N,) comes as (N,) too, so that `label - output` is not broadcast to (N, N). If the network has several
    outputs, the value is the mean over the pairs.
    """

    sums = False  # nothing to add up over workers: labels and outputs travel

    def __init__(self, name: str, function: Callable[[Array, Array], Any], maximize: bool = False) -> None:
        self.function = function
        self.maximize = maximize  # type: ignore[misc]
        super().__init__(name)

    def measure(self, labels: OneOrMore, outputs: OneOrMore) -> float:
        """The function's value. Raises ParameterError if it is not a number."""
        values = [self.function(*same_shape(label, output)) for label, output in self._pairs(labels, outputs)]
        try:
            return math.fsum(float(value) for value in values) / len(values)
        except (TypeError, ValueError):
            raise ParameterError(
                f"metric {self.name}: its function", expected="a number", got=repr(values[0])
            ) from None


class CompositeMetric(Metric):
    """Several metrics at once. `get` gives a list of names and a list of values; members of members are flattened."""

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
        """Names and means over the batches since `reset`, one of each per member."""
        pairs = [metric.get() for metric in self.metrics]
        return [name for name, _ in pairs], [value for _, value in pairs]

    def reset(self) -> None:
        """Forget all batches of all members."""
        for metric in self.metrics:
            metric.reset()


def nothing_due() -> None:
    """The `settle` of a metric that counts each batch at once: there is nothing to do."""


def ratio(statistics: Array) -> float:
    """statistics[0] / statistics[1] of an array (2,); nan if nothing was counted."""
    return float(statistics[0]) / float(statistics[1]) if statistics[1] else math.nan


def _listed(arrays: OneOrMore) -> list[Array]:
    items = [arrays] if hasattr(arrays, "shape") else arrays
    return [np.asarray(array) for array in items]


def column(label: Array) -> Array:
    """A label (rows, 1) as a view (rows,); any other as it is."""
    return label[:, 0] if label.ndim == 2 and label.shape[1] == 1 else label


def same_shape(label: Array, output: Array) -> tuple[Array, Array]:
    """The two with matrices (rows, 1) as vectors (rows,), if that gives them the same shape; else as they are."""
    if label.shape != output.shape and column(label).shape == column(output).shape:
        return column(label), column(output)
    return label, output
