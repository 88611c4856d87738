"""Metrics of yes or no, from the four counts of a confusion matrix: class 1 is "yes"."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Unpack

from ....common.errors import DataError, ShapeError
from ...array import Array
from .base import Statistics
from .class_metric import ClassMetric, ClassOptions, likeliest, true_class


class _BinaryMetric(ClassMetric):
    """Its statistics are the numbers of true and false positives, and of false and true negatives.

    Outputs and labels are those of Accuracy, with two classes. A value whose formula divides by 0 is 0, as in MXNet and
    scikit-learn; without rows it is nan. Raises DataError if a label is neither 0 nor 1.
    """

    count = 4
    maximize = True
    plain = True

    def value(self, statistics: Statistics) -> float:
        """The value from (true positives, false positives, false negatives, true negatives)."""
        if not sum(statistics):
            return math.nan
        above, below = self._fraction(*map(float, statistics))
        return above / below if below else 0.0

    def _fraction(self, tp: float, fp: float, fn: float, tn: float) -> tuple[float, float]:
        """Numerator and denominator of the value."""
        raise NotImplementedError

    def _count(self, label: Array, output: Array, counts: Array) -> Iterable[float]:
        if output.shape[1] > 2:
            raise ShapeError(f"metric {self.name}", expected="two classes", got=output.shape[1])
        truth, chosen = true_class(label)[counts], likeliest(output)[counts]
        if ((truth != 0) & (truth != 1)).any():
            raise DataError(f"metric {self.name}: label", expected="0 or 1", got=f"{truth.min()} to {truth.max()}")
        return [int(((chosen == said) & (truth == true)).sum()) for said, true in ((1, 1), (1, 0), (0, 1), (0, 0))]


class Precision(_BinaryMetric):
    """tp / (tp + fp): how many of those called "yes" are. As scikit-learn's precision_score."""

    def __init__(self, name: str = "precision", **options: Unpack[ClassOptions]) -> None:
        super().__init__(name, **options)

    def _fraction(self, tp: float, fp: float, fn: float, tn: float) -> tuple[float, float]:
        return tp, tp + fp


class Recall(_BinaryMetric):
    """tp / (tp + fn): how many of those that are "yes" are called so. As scikit-learn's recall_score."""

    def __init__(self, name: str = "recall", **options: Unpack[ClassOptions]) -> None:
        super().__init__(name, **options)

    def _fraction(self, tp: float, fp: float, fn: float, tn: float) -> tuple[float, float]:
        return tp, tp + fn


class F1(_BinaryMetric):
    """2 tp / (2 tp + fp + fn), the harmonic mean of precision and recall. As MXNet's F1 and scikit-learn's f1_score."""

    def __init__(self, name: str = "f1", **options: Unpack[ClassOptions]) -> None:
        super().__init__(name, **options)

    def _fraction(self, tp: float, fp: float, fn: float, tn: float) -> tuple[float, float]:
        return 2 * tp, 2 * tp + fp + fn


class MCC(_BinaryMetric):
    """(tp tn - fp fn) / sqrt((tp + fp) (tp + fn) (tn + fp) (tn + fn)), from -1 to 1.

    Matthews: "Comparison of the predicted and observed secondary structure of T4 phage lysozyme" (1975); as MXNet's MCC
    and scikit-learn's matthews_corrcoef.
    """

    def __init__(self, name: str = "mcc", **options: Unpack[ClassOptions]) -> None:
        super().__init__(name, **options)

    def _fraction(self, tp: float, fp: float, fn: float, tn: float) -> tuple[float, float]:
        return tp * tn - fp * fn, math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
