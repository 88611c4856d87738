"""Metrics of classes: accuracies, and the cross-entropy with what follows from it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Unpack

import numpy as np

from ....common.checks import whole_number
from ....common.errors import DataError
from ...array import Array
from .base import Head, Statistics, ValueOf, ratio
from .class_metric import ClassMetric, ClassOptions, class_scores, likeliest, true_class


class Accuracy(ClassMetric):
    """Share of rows whose likeliest class is the label; among equally likely ones the first class counts.

    Outputs (rows, classes) go with labels (rows,) or (rows, 1), outputs (rows, classes, ...) with labels (rows, ...);
    see ClassMetric for other axes, one-hot labels and labels that do not count. A single column (rows, 1) is a
    probability, above 0.5 class 1; unless the loss says otherwise, an output of the label's shape holds classes or such
    probabilities already.
    """

    maximize = True
    plain = True

    def __init__(self, name: str = "accuracy", **options: Unpack[ClassOptions]) -> None:
        super().__init__(name, **options)

    def _pair(self, label: Array, output: Array, head: Head) -> Iterable[float]:
        if self._is_plain(head) and isinstance(output, np.ndarray):
            scores = class_scores()
            if scores.takes(label, output):
                return scores.hits(label, output), label.size
        return super()._pair(label, output, head)

    def compiled(self, head: Head) -> ValueOf | None:
        """The share of hits, unless labels are ignored or a subclass counts in another way."""
        if type(self) is not Accuracy or not (self.takes(head) and self._is_plain(head)):
            return None
        hits = class_scores().hits
        return lambda label, output: hits(label, output) / label.size

    def _is_plain(self, head: Head) -> bool:
        """Whether classes lie where they usually do, and all labels count."""
        return self.axis in (None, 1) and self.ignored(head) is None

    def _count(self, label: Array, output: Array, counts: Array) -> Iterable[float]:
        right = likeliest(output) == true_class(label)
        return int(np.count_nonzero(right & counts)), int(np.count_nonzero(counts))


class TopKAccuracy(ClassMetric):
    """Share of rows whose label is among the `top_k` likeliest classes; among equally likely ones the first come first.

    Outputs are (rows, classes), labels (rows,) or (rows, 1); see ClassMetric for other forms.
    """

    maximize = True

    def __init__(self, top_k: int = 5, name: str | None = None, **options: Unpack[ClassOptions]) -> None:
        """Raises ParameterError if `top_k` is not a whole number of 1 or more."""
        self.top_k = whole_number("TopKAccuracy: top_k", top_k, 1)
        super().__init__(name or f"top_k_accuracy_{top_k}", **options)

    def _count(self, label: Array, output: Array, counts: Array) -> Iterable[float]:
        best = np.argsort(-output, axis=1, kind="stable")[:, : self.top_k]  # stable keeps equal ones in their order
        hit = (best == true_class(label)[:, None]).any(axis=1)
        return int(hit[counts].sum()), int(counts.sum())


class CrossEntropy(ClassMetric):
    """Mean of -log(probability of the label's class + eps), as MXNet's; of labels that are probabilities q, the mean
    of -sum(q * log(p + eps)), as torch's.

    Outputs are probabilities (rows, classes), labels (rows,) or (rows, 1); see ClassMetric for other forms. Raises
    DataError if a label that counts is not a class.
    """

    def __init__(self, eps: float = 1e-12, name: str = "cross-entropy", **options: Unpack[ClassOptions]) -> None:
        self.eps = eps
        super().__init__(name, **options)

    def _count(self, label: Array, output: Array, counts: Array) -> Iterable[float]:
        # In float64, where `eps` still counts beside a small probability.
        if label.ndim == 3:
            return -(label * np.log(output.astype(np.float64) + self.eps)).sum(), label[:, 0].size
        classes = np.where(counts, label, 0)
        if (~((classes > -1) & (classes < output.shape[1]))).any():  # NaN is no class, either
            raise DataError(
                f"metric {self.name}: label",
                expected=f"0 to {output.shape[1] - 1}",
                got=f"{classes.min()} to {classes.max()}",
                remedy="Rows that are not to count need ignore_label",
            )
        chosen = np.take_along_axis(output, classes.astype(np.int64)[:, None], axis=1)[:, 0].astype(np.float64)
        return -np.log(chosen + self.eps)[counts].sum(), int(counts.sum())


class Perplexity(CrossEntropy):
    """exp of the cross entropy, at most exp(700)."""

    def __init__(self, eps: float = 1e-10, name: str = "perplexity", **options: Unpack[ClassOptions]) -> None:
        super().__init__(eps, name, **options)

    def value(self, statistics: Statistics) -> float:
        """exp(sum of -log probabilities / rows) from these two statistics."""
        # math.exp raises OverflowError above 709. NaN stays NaN, as min returns its first argument then.
        return math.exp(min(ratio(statistics), 700.0))
