"""What a metric is: a value of labels and outputs, of a global batch in training and of all examples in evaluation.

In training the values of batches are averaged, as in R. A built-in metric turns rows into a few numbers that can be
added up (`statistics`), over workers as well as over the batches of an evaluation; `value` computes the value from
their sum. A custom metric has no such numbers (`sums` is False) and sees whole labels and outputs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ....common.checks import check_call
from ....common.errors import ParameterError, ShapeError
from ...array import Array

OneOrMore = Array | Sequence[Array]
ValueOf = Callable[[Array, Array], float]  # label and output -> a metric's value
Statistics = Sequence[float] | Array


@dataclass(frozen=True)
class Head:
    """An output of a network and its label: their names, and how the loss reads them.

    `label` is None for a loss that has none. `rows` gives an array of the output's shape as (rows, classes,
    positions), with the same memory; None unless the loss is one of classes. Rows and positions whose label is
    `ignored` do not count for the loss.
    """

    output: str = ""
    label: str | None = ""
    rows: Callable[[Array], Array] | None = None
    ignored: float | None = None


UNKNOWN = Head()


class Metric:
    """Base class. Subclasses define `_pair` and, if the value is not a ratio, `count` and `value`.

    `labels` and `outputs` are an array each, or lists of equal length, whose pairs are counted together; shapes are as
    the subclass says. `heads` tells what is known of each pair, if anything is. Of a network's pairs only those count
    whose names are among `output_names` and `label_names`, as in MXNet; None takes all. Methods raise ShapeError if
    arrays do not fit together. `statistics` are (count,) float64: here a sum, and the number of elements in it.

    An engine that counts batches later than it trains them, as on GPUs, sets `settle` to what counts those that are
    due. It is called before a value is read.
    """

    count: ClassVar[int] = 2
    maximize: ClassVar[bool] = False  # whether more is better
    sums: ClassVar[bool] = True  # whether `statistics` of shares can be added up
    labelled: ClassVar[bool] = True  # whether it counts only outputs that have a label
    name: str

    def __init__(
        self, name: str, output_names: Sequence[str] | None = None, label_names: Sequence[str] | None = None
    ) -> None:
        self.name, self.output_names, self.label_names = name, listed(output_names), listed(label_names)
        self.settle: Callable[[], None] = nothing_due
        self.reset()

    def takes(self, head: Head) -> bool:
        """Whether it counts the pair that `head` describes."""
        if self.labelled and head.label is None:
            return False
        return (self.output_names is None or head.output in self.output_names) and (
            self.label_names is None or head.label in self.label_names
        )

    def statistics(self, labels: OneOrMore, outputs: OneOrMore, heads: Sequence[Head] | None = None) -> Array:
        """(count,) float64 numbers of these rows; sums of them, over workers or batches, are those of all rows."""
        return np.array(self._added(labels, outputs, heads))

    def _added(self, labels: OneOrMore, outputs: OneOrMore, heads: Sequence[Head] | None) -> list[float]:
        # float64: counts stay exact, and sums hardly depend on how rows were shared out
        total = [0.0] * self.count
        for label, output, head in self._pairs(labels, outputs, heads):
            for place, more in enumerate(self._pair(label, output, head)):
                total[place] += float(more)
        return total

    def value(self, statistics: Statistics) -> float:
        """The value of the rows that have these statistics; nan if there are none."""
        return ratio(statistics)

    def _pair(self, label: Array, output: Array, head: Head) -> Iterable[float]:
        """The statistics of one label with its output."""
        raise NotImplementedError

    def measure(self, labels: OneOrMore, outputs: OneOrMore, heads: Sequence[Head] | None = None) -> float:
        """The value of all these rows."""
        return self.value(self._added(labels, outputs, heads))

    def compiled(self, head: Head) -> ValueOf | None:
        """What gives the same as `measure` for a lone label and output of that head if `class_scores.takes` them; None
        if that is not one call of a compiled function.
        """
        return None

    def add(self, value: float) -> None:
        """Count one global batch whose value is known."""
        self.total += value
        self.batches += 1

    def update(self, labels: OneOrMore, outputs: OneOrMore, heads: Sequence[Head] | None = None) -> None:
        """Count one global batch, given whole."""
        self.add(self.measure(labels, outputs, heads))

    def get(self) -> tuple[str, float]:
        """Name and mean over the batches since `reset`; nan if there were none."""
        self.settle()
        return self.name, self.total / self.batches if self.batches else math.nan

    def reset(self) -> None:
        """Forget all batches."""
        self.settle()  # or those that are due would be counted after this
        self.total, self.batches = 0.0, 0

    def state(self) -> dict[str, Any]:
        """What it has counted since `reset`, in plain values and arrays: for snapshots, see mx.callback."""
        self.settle()
        return {"total": self.total, "batches": self.batches}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on counting from a `state`."""
        self.settle()
        self.total, self.batches = state["total"], state["batches"]

    def __repr__(self) -> str:
        counted = f"{self.total / self.batches:.6g} over {self.batches} batches" if self.batches else "no batches yet"
        return f"<{type(self).__name__} {self.name}: {counted}>"

    def leaves(self) -> list[Metric]:
        """The single metrics that it consists of: itself, or a composite's members."""
        return [self]

    def _pairs(
        self, labels: OneOrMore, outputs: OneOrMore, heads: Sequence[Head] | None
    ) -> list[tuple[Array, Array, Head]]:
        left, right = _listed(labels), _listed(outputs)
        if len(left) != len(right):
            raise ShapeError(f"metric {self.name}", expected=f"as many labels as outputs ({len(right)})", got=len(left))
        # Names are known of a network's outputs alone: arrays that come without them are all counted.
        if heads is None:
            return [(label, output, UNKNOWN) for label, output in zip(left, right, strict=True)]
        return [pair for pair in zip(left, right, heads, strict=True) if self.takes(pair[2])]

    def _mismatch(self, label: Array, output: Array, expected: str) -> ShapeError:
        return ShapeError(f"metric {self.name}", expected=expected, got=f"label {label.shape}, output {output.shape}")


class Custom(Metric):
    """A metric that is a function of whole arrays: `function(label, output) -> number`.

    Both are arrays of all rows, in training of a batch and in evaluation of the data set, of the shapes that the
    iterator and the network give them; but an output (N, 1) with a label (N,) comes as (N,) too, so that
    `label - output` is not broadcast to (N, N). If several outputs have labels, the value is the mean over the pairs.
    """

    sums = False  # nothing to add up over workers: labels and outputs travel

    def __init__(
        self,
        name: str,
        function: Callable[[Array, Array], Any],
        maximize: bool = False,
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
    ) -> None:
        """Raises ParameterError unless `function` can be called with a label and an output."""
        if not (isinstance(name, str) and callable(function)):
            raise ParameterError(
                "custom metric", expected="its name and a function", got=f"{name!r}, {function!r}"[:80]
            )
        check_call(f"metric {name}: its function", function, ("label", "output"))
        self.function = function
        self.maximize = maximize  # type: ignore[misc]
        super().__init__(name, output_names, label_names)

    def measure(self, labels: OneOrMore, outputs: OneOrMore, heads: Sequence[Head] | None = None) -> float:
        """The function's value, nan without pairs. Raises ParameterError if it is not a number."""
        pairs = self._pairs(labels, outputs, heads)
        values = [self.function(*same_shape(label, output)) for label, output, _ in pairs]
        try:
            return math.fsum(float(value) for value in values) / len(values) if values else math.nan
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

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.metrics}>"

    def leaves(self) -> list[Metric]:
        """The members."""
        return self.metrics

    def update(self, labels: OneOrMore, outputs: OneOrMore, heads: Sequence[Head] | None = None) -> None:
        """Count one global batch in each."""
        for metric in self.metrics:
            metric.update(labels, outputs, heads)

    def get(self) -> tuple[list[str], list[float]]:  # type: ignore[override]
        """Names and means over the batches since `reset`, one of each per member."""
        pairs = [metric.get() for metric in self.metrics]
        return [name for name, _ in pairs], [value for _, value in pairs]

    def reset(self) -> None:
        """Forget all batches of all members."""
        for metric in self.metrics:
            metric.reset()


def named(metric: Metric, figures: Iterable[Any]) -> dict[str, Any]:
    """One of `figures` for each leaf, by the leaves' names; `accuracy_2` is the second one that is called accuracy."""
    found: dict[str, Any] = {}
    times: Counter[str] = Counter()
    for leaf, figure in zip(metric.leaves(), figures, strict=True):
        times[leaf.name] += 1
        found[leaf.name if times[leaf.name] == 1 else f"{leaf.name}_{times[leaf.name]}"] = figure
    return found


def current_values(metric: Metric) -> dict[str, float]:
    """The values of the leaves by name."""
    return named(metric, [leaf.get()[1] for leaf in metric.leaves()])


def nothing_due() -> None:
    """The `settle` of a metric that counts each batch at once: there is nothing to do."""


def ratio(statistics: Statistics) -> float:
    """statistics[0] / statistics[1] of two numbers; nan if nothing was counted."""
    return float(statistics[0]) / float(statistics[1]) if statistics[1] else math.nan


def listed(names: str | Sequence[str] | None) -> Sequence[str] | None:
    """Names as a sequence: a lone one is a sequence of letters otherwise."""
    return (names,) if isinstance(names, str) else names


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
