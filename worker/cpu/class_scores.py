"""What a batch's likeliest classes and probabilities say of its labels: figures of metrics, each in one pass."""

from __future__ import annotations

import numpy as np

from ...common.jit import kernel
from ..array import Array
from .functions import log
from .vector_loops import summed

_sum_of_logs = summed(log)


def takes(label: Array, output: Array) -> bool:
    """Whether these are a class for each row, (n,), and a number for each class, (n, k), in float32 and at least two
    classes; the functions here take no others.
    """
    return (
        output.ndim == 2
        and output.shape[1] > 1
        and label.shape == output.shape[:1]
        and label.dtype == output.dtype == np.float32
        and label.flags.carray  # in C order, and what a kernel for arrays that can be written was compiled for
        and output.flags.carray
    )


@kernel
def hits(label: Array, output: Array) -> int:
    """How many rows' largest number is the label's: the first of equal ones, or the first NaN, as numpy's argmax."""
    found = 0
    for i in range(label.size):
        best = 0
        for j in range(output.shape[1]):
            if output[i, j] > output[i, best] or (np.isnan(output[i, j]) and not np.isnan(output[i, best])):
                best = j
        found += best == label[i]
    return found


@kernel
def cross_entropy(label: Array, output: Array, eps: np.float32) -> float:
    """The sum of -log(probability of the label's class + eps), for labels that are classes."""
    chosen = np.empty(label.size, np.float32)
    for i in range(label.size):
        # Within the row, whatever the label is: this reads memory.
        chosen[i] = output[i, min(max(int(label[i]), 0), output.shape[1] - 1)] + eps
    total: float = _sum_of_logs((chosen.ctypes.data,), (), label.size)
    return -total
