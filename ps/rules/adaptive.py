"""Rates of each element's own, by its past gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.jit import kernel
from ..kernels import BLOCK, sum_block
from .numbers import clipped, signed


@kernel
def adagrad(
    rows: Any, column: int, pairs: Any, weight: Any, history: Any, lr: Any, wd: Any, rescale: Any, clip: Any, eps: Any
) -> None:
    """history += g^2; weight -= lr * (g / sqrt(history + eps) + wd * weight)."""
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        total, w, h = sum_block(rows, pairs, column + first, column + last), weight[first:last], history[first:last]
        for i in range(w.size):
            g = clipped(rescale * total[i], clip)
            h[i] += g * g
            w[i] -= lr * (g / np.sqrt(h[i] + eps) + wd * w[i])


@kernel
def adadelta(
    rows: Any,
    column: int,
    pairs: Any,
    weight: Any,
    acc_g: Any,
    acc_delta: Any,
    lr: Any,
    wd: Any,
    rescale: Any,
    clip: Any,
    rho: Any,
    rest: Any,
    epsilon: Any,
) -> None:
    """Averages of g^2 and of d^2, with d = sqrt(acc_delta + epsilon) / sqrt(acc_g + epsilon) * g."""
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        total = sum_block(rows, pairs, column + first, column + last)
        w, a, d = weight[first:last], acc_g[first:last], acc_delta[first:last]
        for i in range(w.size):
            g = clipped(rescale * total[i], clip)
            a[i] = rho * a[i] + rest * g * g
            delta = np.sqrt(d[i] + epsilon) / np.sqrt(a[i] + epsilon) * g
            d[i] = rho * d[i] + rest * delta * delta
            w[i] -= delta + wd * w[i]


@kernel
def rmsprop(
    rows: Any,
    column: int,
    pairs: Any,
    weight: Any,
    n: Any,
    lr: Any,
    wd: Any,
    rescale: Any,
    clip: Any,
    gamma1: Any,
    rest: Any,
    epsilon: Any,
    bound: Any,
) -> None:
    """n is the average of g^2; weight -= lr * g / sqrt(n + epsilon), then kept within the bound."""
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        total, w, s = sum_block(rows, pairs, column + first, column + last), weight[first:last], n[first:last]
        for i in range(w.size):
            g = clipped(rescale * total[i] + wd * w[i], clip)
            s[i] = gamma1 * s[i] + rest * (g * g)
            w[i] = clipped(w[i] - lr * g / np.sqrt(s[i] + epsilon), bound)


@kernel
def rmsprop_centered(
    rows: Any,
    column: int,
    pairs: Any,
    weight: Any,
    n: Any,
    mean: Any,
    delta: Any,
    lr: Any,
    wd: Any,
    rescale: Any,
    clip: Any,
    gamma1: Any,
    rest: Any,
    epsilon: Any,
    bound: Any,
    gamma2: Any,
) -> None:
    """Averages of g^2 and g; delta = gamma2 * delta - lr * g / sqrt(n - mean^2 + epsilon); weight += delta."""
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        total = sum_block(rows, pairs, column + first, column + last)
        w, s, m, d = weight[first:last], n[first:last], mean[first:last], delta[first:last]
        for i in range(w.size):
            g = clipped(rescale * total[i] + wd * w[i], clip)
            s[i] = gamma1 * s[i] + rest * (g * g)
            m[i] = gamma1 * m[i] + rest * g
            d[i] = gamma2 * d[i] - lr * g / np.sqrt(s[i] - m[i] * m[i] + epsilon)
            w[i] = clipped(w[i] + d[i], bound)


@kernel
def ftrl(
    rows: Any,
    column: int,
    pairs: Any,
    weight: Any,
    z: Any,
    n: Any,
    lr: Any,
    wd: Any,
    rescale: Any,
    clip: Any,
    lamda1: Any,
    beta: Any,
) -> None:
    """z += g - (sqrt(n + g^2) - sqrt(n)) * weight / lr; n += g^2; the weight that z and n stand for."""
    zero = lr - lr
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        total = sum_block(rows, pairs, column + first, column + last)
        w, leader, squares = weight[first:last], z[first:last], n[first:last]
        for i in range(w.size):
            g = clipped(rescale * total[i], clip)
            after = squares[i] + g * g
            leader[i] += g - (np.sqrt(after) - np.sqrt(squares[i])) * w[i] / lr
            squares[i] = after
            lead = leader[i]
            far = (signed(lamda1, lead) - lead) / ((beta + np.sqrt(after)) / lr + wd)
            w[i] = far if abs(lead) > lamda1 else zero
