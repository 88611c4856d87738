"""Adam and its kin."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.jit import kernel
from ..kernels import BLOCK, sum_block
from .numbers import clipped


@kernel
def adam(
    rows: Any,
    column: int,
    pairs: Any,
    weight: Any,
    mean: Any,
    var: Any,
    lr: Any,
    wd: Any,
    rescale: Any,
    clip: Any,
    beta1: Any,
    rest1: Any,
    beta2: Any,
    rest2: Any,
    epsilon: Any,
) -> None:
    """Averages of g and g^2; weight -= lr * mean / (sqrt(var) + epsilon). Decay is clipped with the gradient."""
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        total = sum_block(rows, pairs, column + first, column + last)
        w, m, v = weight[first:last], mean[first:last], var[first:last]
        for i in range(w.size):
            g = clipped(rescale * total[i] + wd * w[i], clip)
            m[i] = beta1 * m[i] + rest1 * g
            v[i] = beta2 * v[i] + rest2 * (g * g)
            w[i] -= lr * m[i] / (np.sqrt(v[i]) + epsilon)


@kernel
def adamw(
    rows: Any,
    column: int,
    pairs: Any,
    weight: Any,
    mean: Any,
    var: Any,
    lr: Any,
    wd: Any,
    rescale: Any,
    clip: Any,
    beta1: Any,
    rest1: Any,
    beta2: Any,
    rest2: Any,
    epsilon: Any,
) -> None:
    """Averages of g and g^2; weight -= lr * (mean / (sqrt(var) + epsilon) + wd * weight)."""
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        total = sum_block(rows, pairs, column + first, column + last)
        w, m, v = weight[first:last], mean[first:last], var[first:last]
        for i in range(w.size):
            g = clipped(rescale * total[i], clip)
            m[i] = beta1 * m[i] + rest1 * g
            v[i] = beta2 * v[i] + rest2 * (g * g)
            w[i] -= lr * (m[i] / (np.sqrt(v[i]) + epsilon) + wd * w[i])


@kernel
def adamax(
    rows: Any,
    column: int,
    pairs: Any,
    weight: Any,
    mean: Any,
    var: Any,
    lr: Any,
    wd: Any,
    rescale: Any,
    clip: Any,
    beta1: Any,
    rest1: Any,
    beta2: Any,
) -> None:
    """The average of g and its largest magnitude; weight -= lr * mean / var where var is not 0."""
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        total = sum_block(rows, pairs, column + first, column + last)
        w, m, v = weight[first:last], mean[first:last], var[first:last]
        for i in range(w.size):
            g = clipped(rescale * total[i] + wd * w[i], clip)
            m[i] = beta1 * m[i] + rest1 * g
            decayed, size = beta2 * v[i], abs(g)
            v[i] = size if size > decayed else decayed
            w[i] = w[i] - lr * m[i] / v[i] if v[i] > 0 else w[i]


@kernel
def nadam(
    rows: Any,
    column: int,
    pairs: Any,
    weight: Any,
    mean: Any,
    var: Any,
    lr: Any,
    wd: Any,
    rescale: Any,
    clip: Any,
    beta1: Any,
    rest1: Any,
    beta2: Any,
    rest2: Any,
    epsilon: Any,
    of_gradient: Any,
    of_mean: Any,
    unbias: Any,
) -> None:
    """Averages of g and g^2; weight -= lr * (of_gradient * g + of_mean * mean) / (sqrt(var / unbias) + epsilon)."""
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        total = sum_block(rows, pairs, column + first, column + last)
        w, m, v = weight[first:last], mean[first:last], var[first:last]
        for i in range(w.size):
            g = clipped(rescale * total[i] + wd * w[i], clip)
            m[i] = beta1 * m[i] + rest1 * g
            v[i] = beta2 * v[i] + rest2 * (g * g)
            w[i] -= lr * (of_gradient * g + of_mean * m[i]) / (np.sqrt(v[i] / unbias) + epsilon)
