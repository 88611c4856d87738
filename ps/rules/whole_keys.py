"""The first pass of rules that need norms of the whole key; the second is plain numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...common.jit import kernel
from ...common.slices import CHUNK
from ..kernels import sum_block
from .numbers import clipped

# The order in which squares are added depends on an element's place in the key alone, not on how the key is cut into
# ranges. It is a GPU's, where a block of LANES threads takes a chunk: in each chunk, a lane adds every LANES-th square,
# and the lanes are folded into one number; of these numbers, a lane again adds every LANES-th.
LANES = 256
WARP = 32  # lanes that are folded as pairs; the rest is added in order


@kernel
def no_squares() -> Any:
    """The sums of two arrays' squares before their first element: for each, lanes of its chunk and lanes of chunks."""
    return np.zeros((2, 2, LANES))


@kernel
def _fold(lanes: Any) -> float:
    """The sum of the lanes, which become zero."""
    total = 0.0
    for first in range(0, LANES, WARP):
        half = WARP // 2
        while half:
            for lane in range(first, first + half):
                lanes[lane] += lanes[lane + half]
            half //= 2
        total += lanes[first]
    lanes[:] = 0.0
    return total


@kernel
def _add_squares(values: Any, at: int, sums: Any) -> None:
    """Add the squares of a key's elements from `at` on, none beyond the end of a chunk, to `sums` (2, LANES)."""
    done = 0
    while done < values.size:
        lane = (at + done) % LANES
        row = values[done : done + LANES - lane]
        lanes = sums[0, lane : lane + row.size]
        for i in range(row.size):
            value = np.float64(row[i])
            lanes[i] += value * value
        done += row.size
    if (at + done) % CHUNK == 0:
        sums[1, at // CHUNK % LANES] += _fold(sums[0])


@kernel
def norm(sums: Any, size: int) -> float:
    """The root of the sum of squares of all `size` elements of a key, from their `sums` (2, LANES)."""
    sums[1, size // CHUNK % LANES] += _fold(sums[0])  # of the last chunk, which may be a short one
    return math.sqrt(_fold(sums[1]))


@kernel
def lamb(
    rows: Any,
    column: int,
    pairs: Any,
    weight: Any,
    mean: Any,
    var: Any,
    at: int,
    sums: Any,
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
) -> None:
    """Averages of g and g^2; the first row becomes the direction. `sums` takes the squares of weight and direction.

    The range begins at the key's element `at`.
    """
    first = 0
    while first < weight.size:
        last = min(first + CHUNK - (at + first) % CHUNK, weight.size)
        total = sum_block(rows, pairs, column + first, column + last)
        w, m, v = weight[first:last], mean[first:last], var[first:last]
        for i in range(w.size):
            g = clipped(rescale * total[i], clip)
            m[i] = beta1 * m[i] + rest1 * g
            v[i] = beta2 * v[i] + rest2 * (g * g)
            total[i] = m[i] / unbias1 / (np.sqrt(v[i] / unbias2) + epsilon) + wd * w[i]
        _add_squares(w, at + first, sums[0])
        _add_squares(total, at + first, sums[1])
        first = last


@kernel
def add_squares(rows: Any, column: int, pairs: Any, weight: Any, at: int, sums: Any) -> None:
    """The first row becomes the sum. `sums` takes the squares of weights and gradients; the range begins at `at`."""
    first = 0
    while first < weight.size:
        last = min(first + CHUNK - (at + first) % CHUNK, weight.size)
        total = sum_block(rows, pairs, column + first, column + last)
        _add_squares(weight[first:last], at + first, sums[0])
        _add_squares(total, at + first, sums[1])
        first = last
