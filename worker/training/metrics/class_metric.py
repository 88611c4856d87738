"""What metrics of classes share: where an output holds the classes, and which labels count."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import ClassVar, TypedDict

import numpy as np

from ....common.checks import is_number
from ....common.errors import ParameterError, ShapeError
from ...array import Array, Shape
from .base import Head, Metric, column


class Names(TypedDict, total=False):
    """Which of a network's pairs of output and label a metric counts."""

    output_names: Sequence[str] | None
    label_names: Sequence[str] | None


class ClassOptions(Names, total=False):
    """What metrics of classes take besides: the axis of the classes, and a label that does not count."""

    axis: int | None
    ignore_label: float | None


class ClassMetric(Metric):
    """Base class of metrics that compare classes. Subclasses define `_count`.

    The classes lie on `axis` of the output; by default where the network's loss has them, or else on axis 1. The label
    has the output's other axes, perhaps merged: labels (N, T) go with outputs (N * T, K). A label of the output's own
    shape holds a probability for each class, as one-hot labels do; where neither the loss nor `axis` says so, it is
    taken for one if it sums to 1 over the classes and the output is not whole numbers. Rows and positions whose label
    is `ignore_label`, by default what the loss ignores, do not count.
    """

    plain: ClassVar[bool] = False  # whether outputs of the label's shape are taken, which are no probabilities

    def __init__(
        self,
        name: str,
        axis: int | None = None,
        ignore_label: float | None = None,
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
    ) -> None:
        if not isinstance(axis, int | np.integer | None):
            raise ParameterError(f"metric {name}: axis", expected="the number of an axis, or None", got=repr(axis)[:80])
        if ignore_label is not None and not is_number(ignore_label):
            raise ParameterError(f"metric {name}: ignore_label", expected="a number", got=repr(ignore_label)[:80])
        self.axis, self.ignore_label = axis, ignore_label
        # The head and the shapes of what was counted last, and the three axes as which the output was read.
        self._read: tuple[tuple[Head | None, Shape, Shape], Shape] = ((None, (), ()), ())
        super().__init__(name, output_names, label_names)

    def ignored(self, head: Head) -> float | None:
        """The label that does not count; None if all do."""
        return head.ignored if self.ignore_label is None else self.ignore_label

    def by_class(self, label: Array, output: Array, head: Head) -> tuple[Array, Array]:
        """The output as (rows, classes, positions), and the label as (rows, positions), or also in three axes if it
        holds probabilities. One class alone means that the output's numbers stand for themselves.

        The arrays may lie on any device, and share the memory of those that were given.
        """
        read, form = self._read
        if read[0] is not head or read[1:] != (label.shape, output.shape):
            form = self._reading(label, output, head)(output).shape
            self._read = (head, label.shape, output.shape), form
        if label.shape == output.shape and form[1] > 1:
            return label.reshape(form), output.reshape(form)
        return label.reshape(form[0], form[2]), output.reshape(form)

    def _pair(self, label: Array, output: Array, head: Head) -> Iterable[float]:
        if head.rows is None and self.axis is None and _is_one_hot(label, output):
            head = replace(head, rows=lambda array: array.reshape(*array.shape[:2], math.prod(array.shape[2:])))
        label, output = self.by_class(label, output, head)
        ignored = self.ignored(head)
        counts = np.ones(output[:, 0].shape, bool) if ignored is None or label.ndim == 3 else label != ignored
        return self._count(label, output, counts)

    def _count(self, label: Array, output: Array, counts: Array) -> Iterable[float]:
        """The statistics of arrays as of `by_class`; `counts` (rows, positions) is False where a label is ignored."""
        raise NotImplementedError

    def _reading(self, label: Array, output: Array, head: Head) -> Callable[[Array], Array]:
        """What gives an array of the output's shape as (rows, classes, positions)."""
        shape, axis = output.shape, self.axis
        if axis is None and head.rows is not None:
            rows, classes, positions = head.rows(output).shape
            fits = label.shape == shape or label.size == rows * positions
            if fits and (classes > 1 or self.plain):
                return head.rows
        if axis is None and self.plain and column(label).shape == shape:
            return lambda array: array.reshape(array.shape[0], 1, math.prod(array.shape[1:]))
        axis = 1 if axis is None else axis
        if -len(shape) <= axis < len(shape):
            axis %= len(shape)
            others = (*shape[:axis], *shape[axis + 1 :])
            if regrouped(label.shape, others) or (self.axis is not None and label.shape == shape):
                return lambda array: array.reshape(math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :]))
        raise self._refused(label, output)

    def _refused(self, label: Array, output: Array) -> ShapeError:
        if self.axis is not None:
            return self._mismatch(label, output, f"classes on axis {self.axis} of outputs, and labels of the others")
        return self._mismatch(label, output, "outputs (rows, classes) and labels (rows,)")


@cache
def class_scores() -> ModuleType:
    """The module with the compiled figures, imported when first wanted: it imports numba, which takes a while."""
    from ...cpu import class_scores as found

    return found


def likeliest(output: Array) -> Array:
    """The class (rows, positions) with the largest value, the first among equals; of a single class its rounded value.

    `output` is (rows, classes, positions).
    """
    # `rint` rounds 0.5 to the even 0, so a lone probability must be above it.
    chosen: Array = np.rint(output[:, 0]) if output.shape[1] == 1 else output.argmax(axis=1)
    return chosen


def true_class(label: Array) -> Array:
    """The label's class (rows, positions): itself, or the likeliest if it holds probabilities."""
    return likeliest(label) if label.ndim == 3 else label


def regrouped(shape: Shape, other: Shape) -> bool:
    """Whether one shape is the other with neighbouring axes merged; axes of extent 1 do not matter.

    So both list the same elements in the same order: (16, 5) and (80,) do, (4, 6) and (6, 4) do not.
    """
    bounds, others = _bounds(shape), _bounds(other)
    return math.prod(shape) == math.prod(other) and (bounds <= others or bounds >= others)


def _is_one_hot(label: Array, output: Array) -> bool:
    """Whether a label of the output's shape holds probabilities of classes on axis 1, beside an output of scores."""
    if label.shape != output.shape or label.ndim < 2 or label.shape[1] < 2 or not label.size:
        return False
    sums = np.allclose(label.sum(axis=1), 1, atol=1e-3) and (label >= 0).all()
    return bool(sums and (output != np.rint(output)).any())


def _bounds(shape: Shape) -> set[int]:
    """The numbers of elements in the first axis, in the first two, and so on."""
    return {math.prod(shape[: axis + 1]) for axis, extent in enumerate(shape) if extent != 1}
