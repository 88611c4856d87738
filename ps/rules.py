"""Compiled passes of the optimizers' updates, one per rule: sum and update in one pass over a range, block by block.

Arguments are those of the passes in kernels.py: rows, column, pairs, weight, the states, then numbers of the weight's
dtype: lr, wd, rescale and clip, then the rule's own. g is the rescaled, clipped sum with weight decay where the rule
has it. ps/optimizers says the rules in words; worker/cuda/source/update.cu has them operation by operation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..common.jit import kernel
from .kernels import BLOCK, sum_block
from .philox import normal


@kernel
def _clipped(value: Any, bound: Any) -> Any:
    """`value` kept within [-bound, bound]; the bound is infinite for no clipping."""
    # Comparisons with NaN are false, so it passes through, as through np.clip.
    return bound if value > bound else (-bound if value < -bound else value)


@kernel
def _signed(size: Any, value: Any) -> Any:
    """size * sign(value)."""
    return size if value > 0 else (-size if value < 0 else size - size)


@kernel
def _sgd_block(total: Any, weight: Any, lr: Any, wd: Any, rescale: Any, clip: Any) -> None:
    for i in range(weight.size):
        g = _clipped(rescale * total[i], clip)
        weight[i] -= lr * (g + wd * weight[i])


@kernel
def sgd(rows: Any, column: int, pairs: Any, weight: Any, lr: Any, wd: Any, rescale: Any, clip: Any) -> None:
    """weight -= lr * (clip(rescale * sum) + wd * weight), block by block."""
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        _sgd_block(sum_block(rows, pairs, column + first, column + last), weight[first:last], lr, wd, rescale, clip)


@kernel
def _momentum_block(
    total: Any, weight: Any, mom: Any, lr: Any, wd: Any, rescale: Any, clip: Any, momentum: Any
) -> None:
    for i in range(weight.size):
        g = _clipped(rescale * total[i], clip)
        m = momentum * mom[i] - lr * (g + wd * weight[i])
        mom[i] = m
        weight[i] += m


@kernel
def sgd_momentum(
    rows: Any, column: int, pairs: Any, weight: Any, mom: Any, lr: Any, wd: Any, rescale: Any, clip: Any, momentum: Any
) -> None:
    """mom = momentum * mom - lr * (clip(rescale * sum) + wd * weight); weight += mom, block by block."""
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        total = sum_block(rows, pairs, column + first, column + last)
        _momentum_block(total, weight[first:last], mom[first:last], lr, wd, rescale, clip, momentum)


@kernel
def _add_scaled_block(total: Any, weight: Any, rescale: Any) -> None:
    for i in range(weight.size):
        weight[i] += rescale * total[i]


@kernel
def add_scaled(rows: Any, column: int, pairs: Any, weight: Any, rescale: Any) -> None:
    """weight += rescale * sum, block by block."""
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        _add_scaled_block(sum_block(rows, pairs, column + first, column + last), weight[first:last], rescale)


@kernel
def nag(
    rows: Any, column: int, pairs: Any, weight: Any, mom: Any, lr: Any, wd: Any, rescale: Any, clip: Any, momentum: Any
) -> None:
    """weight += momentum * (momentum * mom - lr * g) - lr * g; mom = momentum * mom - lr * g of the new weight."""
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        total, w, m = sum_block(rows, pairs, column + first, column + last), weight[first:last], mom[first:last]
        for i in range(w.size):
            g, kept = _clipped(rescale * total[i], clip), momentum * m[i]
            step = lr * (g + wd * w[i])
            w[i] += momentum * (kept - step) - step
            m[i] = kept - lr * (g + wd * w[i])


@kernel
def signum(
    rows: Any,
    column: int,
    pairs: Any,
    weight: Any,
    mom: Any,
    lr: Any,
    wd: Any,
    rescale: Any,
    clip: Any,
    momentum: Any,
    rest: Any,
    wd_lh: Any,
) -> None:
    """mom = momentum * mom - rest * g; weight += lr * (sign(mom) - wd_lh * weight)."""
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        total, w, m = sum_block(rows, pairs, column + first, column + last), weight[first:last], mom[first:last]
        for i in range(w.size):
            m[i] = momentum * m[i] - rest * (_clipped(rescale * total[i], clip) + wd * w[i])
            w[i] = w[i] - lr * wd_lh * w[i] + _signed(lr, m[i])


@kernel
def signsgd(rows: Any, column: int, pairs: Any, weight: Any, lr: Any, wd: Any, rescale: Any, clip: Any) -> None:
    """weight -= lr * (sign(sum) + wd * weight); to clip changes no sign."""
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        total, w = sum_block(rows, pairs, column + first, column + last), weight[first:last]
        for i in range(w.size):
            w[i] = w[i] - lr * wd * w[i] - _signed(lr, rescale * total[i])


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
            g = _clipped(rescale * total[i] + wd * w[i], clip)
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
            g = _clipped(rescale * total[i], clip)
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
            g = _clipped(rescale * total[i] + wd * w[i], clip)
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
            g = _clipped(rescale * total[i] + wd * w[i], clip)
            m[i] = beta1 * m[i] + rest1 * g
            v[i] = beta2 * v[i] + rest2 * (g * g)
            w[i] -= lr * (of_gradient * g + of_mean * m[i]) / (np.sqrt(v[i] / unbias) + epsilon)


@kernel
def adagrad(
    rows: Any, column: int, pairs: Any, weight: Any, history: Any, lr: Any, wd: Any, rescale: Any, clip: Any, eps: Any
) -> None:
    """history += g^2; weight -= lr * (g / sqrt(history + eps) + wd * weight)."""
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        total, w, h = sum_block(rows, pairs, column + first, column + last), weight[first:last], history[first:last]
        for i in range(w.size):
            g = _clipped(rescale * total[i], clip)
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
            g = _clipped(rescale * total[i], clip)
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
            g = _clipped(rescale * total[i] + wd * w[i], clip)
            s[i] = gamma1 * s[i] + rest * (g * g)
            w[i] = _clipped(w[i] - lr * g / np.sqrt(s[i] + epsilon), bound)


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
            g = _clipped(rescale * total[i] + wd * w[i], clip)
            s[i] = gamma1 * s[i] + rest * (g * g)
            m[i] = gamma1 * m[i] + rest * g
            d[i] = gamma2 * d[i] - lr * g / np.sqrt(s[i] - m[i] * m[i] + epsilon)
            w[i] = _clipped(w[i] + d[i], bound)


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
            g = _clipped(rescale * total[i], clip)
            after = squares[i] + g * g
            leader[i] += g - (np.sqrt(after) - np.sqrt(squares[i])) * w[i] / lr
            squares[i] = after
            lead = leader[i]
            far = (_signed(lamda1, lead) - lead) / ((beta + np.sqrt(after)) / lr + wd)
            w[i] = far if abs(lead) > lamda1 else zero


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
            g = _clipped(rescale * total[i], clip)
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


@kernel
def sgld(
    rows: Any,
    column: int,
    pairs: Any,
    weight: Any,
    lr: Any,
    wd: Any,
    rescale: Any,
    clip: Any,
    half: Any,
    deviation: Any,
    seed: int,
    key: int,
    t: int,
    lo: int,
) -> None:
    """weight += deviation * noise - half * (g + wd * weight); half is lr / 2."""
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        total, w = sum_block(rows, pairs, column + first, column + last), weight[first:last]
        for i in range(w.size):
            w[i] -= half * (_clipped(rescale * total[i], clip) + wd * w[i])
            w[i] += deviation * normal(seed, lo + first + i, t, key)
