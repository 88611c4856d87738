"""The first pass of rules that need norms of the whole key; the second is plain numpy."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.jit import kernel
from ..kernels import BLOCK, sum_block
from .numbers import clipped


@kernel
def _with_squares(values: Any, total: float) -> float:
    """`total` plus the squares, one after the other."""
    for i in range(values.size):
        value = np.float64(values[i])
        total += value * value
    return total


@kernel
def lamb(
    rows: Any,
    column: int,
    pairs: Any,
    weight: Any,
    mean: Any,
    var: Any,
    of_weight: float,
    of_direction: float,
    wd: Any,
    rescale: Any,
    clip: Any,
    beta1: Any,
    rest1: Any,
    beta2: Any,
    rest2: Any,
    epsilon: Any,
    unbias1: Any,
    unbias2: Any,
) -> tuple[float, float]:
    """Averages of g and g^2; the first row becomes the direction. Returns the sums of squares with this range's."""
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        total = sum_block(rows, pairs, column + first, column + last)
        w, m, v = weight[first:last], mean[first:last], var[first:last]
        for i in range(w.size):
            g = clipped(rescale * total[i], clip)
            m[i] = beta1 * m[i] + rest1 * g
            v[i] = beta2 * v[i] + rest2 * (g * g)
            total[i] = m[i] / unbias1 / (np.sqrt(v[i] / unbias2) + epsilon) + wd * w[i]
        of_weight, of_direction = _with_squares(w, of_weight), _with_squares(total, of_direction)
    return of_weight, of_direction


@kernel
def sums_of_squares(
    rows: Any, column: int, pairs: Any, weight: Any, of_weight: float, of_gradient: float
) -> tuple[float, float]:
    """The first row becomes the sum. Returns the sums of squares of weights and gradients with this range's."""
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        total = sum_block(rows, pairs, column + first, column + last)
        of_weight, of_gradient = _with_squares(weight[first:last], of_weight), _with_squares(total, of_gradient)
    return of_weight, of_gradient
