"""Descent with noise."""

from __future__ import annotations

from typing import Any

from ...common.jit import kernel
from ..kernels import BLOCK, sum_block
from ..philox import normal
from .numbers import clipped


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
            w[i] -= half * (clipped(rescale * total[i], clip) + wd * w[i])
            w[i] += deviation * normal(seed, lo + first + i, t, key)
