"""Descent along the gradient, its momentum, or their signs."""

from __future__ import annotations

from typing import Any

from ...common.jit import kernel
from ..kernels import BLOCK, sum_block
from .numbers import clipped, signed


@kernel
def _sgd_block(total: Any, weight: Any, lr: Any, wd: Any, rescale: Any, clip: Any) -> None:
    for i in range(weight.size):
        g = clipped(rescale * total[i], clip)
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
        g = clipped(rescale * total[i], clip)
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
            g, kept = clipped(rescale * total[i], clip), momentum * m[i]
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
            m[i] = momentum * m[i] - rest * (clipped(rescale * total[i], clip) + wd * w[i])
            w[i] = w[i] - lr * wd_lh * w[i] + signed(lr, m[i])


@kernel
def signsgd(rows: Any, column: int, pairs: Any, weight: Any, lr: Any, wd: Any, rescale: Any, clip: Any) -> None:
    """weight -= lr * (sign(sum) + wd * weight); to clip changes no sign."""
    for first in range(0, weight.size, BLOCK):
        last = min(first + BLOCK, weight.size)
        total, w = sum_block(rows, pairs, column + first, column + last), weight[first:last]
        for i in range(w.size):
            w[i] = w[i] - lr * wd * w[i] - signed(lr, rescale * total[i])
