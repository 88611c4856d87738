"""Bias and max-pooling on the result of a convolution's GEMM, in one pass each way.

Adding a bias and applying a monotone activation commute with max-pooling, so the bias is added to the pooled numbers
only, and callers apply the activation to these afterwards. `winner` keeps, per pooled number, the position of the first
maximum within its window. Windows do not overlap, so backward writes each number once.

All innermost loops run along contiguous memory and choose by value rather than by branch: that is what LLVM vectorises.

As in pooling.py a NaN is larger than any number, and the first one wins: `not <=` is also true of a NaN, and nothing
displaces a NaN that is there.
"""

from __future__ import annotations

from ...common.jit import kernel
from ..array import Array


@kernel
def pool_rows(
    rows: Array,
    bias: Array,
    out: Array,
    winner: Array,
    best: Array,
    plane: tuple[int, int],
    window: tuple[int, int],
) -> None:
    """rows (n * H * W, F) -> out (n, F, PH, PW) = the windows' maxima + bias (F,).

    winner (n, PH, PW, F) int32 takes the places of the maxima; best (F,) is scratch. plane is (H, W), window (wh, ww).
    """
    n, filters, pooled_h, pooled_w = out.shape
    height, width = plane
    for i in range(n):
        for py in range(pooled_h):
            for px in range(pooled_w):
                first = (i * height + py * window[0]) * width + px * window[1]
                kept = winner[i, py, px]
                for f in range(filters):
                    best[f] = rows[first, f]
                    kept[f] = 0
                for position in range(1, window[0] * window[1]):
                    line = rows[first + (position // window[1]) * width + position % window[1]]
                    for f in range(filters):
                        # Not of an equal number, so that the first of equal ones wins.
                        larger = (not line[f] <= best[f]) and best[f] == best[f]
                        best[f] = line[f] if larger else best[f]
                        kept[f] = position if larger else kept[f]
                for f in range(filters):
                    out[i, f, py, px] = best[f] + bias[f]


@kernel
def unpool_rows(
    grad: Array,
    winner: Array,
    rows: Array,
    bias_grad: Array,
    line: Array,
    plane: tuple[int, int],
    window: tuple[int, int],
) -> None:
    """The way back: grad (n, F, PH, PW) -> rows (n * H * W, F), every number written.

    bias_grad (F,) += the sums of grad; winner and plane are those of `pool_rows`; line (F,) is scratch.
    """
    n, filters, pooled_h, pooled_w = grad.shape
    height, width = plane
    if pooled_h * window[0] != height or pooled_w * window[1] != width:
        rows[:] = 0.0  # pixels at the lower or right edge belong to no window
    for i in range(n):
        for py in range(pooled_h):
            for px in range(pooled_w):
                first = (i * height + py * window[0]) * width + px * window[1]
                kept = winner[i, py, px]
                # grad has the filters far apart: read each number once, for all positions of the window.
                for f in range(filters):
                    line[f] = grad[i, f, py, px]
                    bias_grad[f] += line[f]
                for position in range(window[0] * window[1]):
                    target = rows[first + (position // window[1]) * width + position % window[1]]
                    for f in range(filters):
                        target[f] = line[f] if kept[f] == position else 0.0


@kernel
def pool_runs(runs: Array, bias: Array, out: Array, winner: Array) -> None:
    """runs (n, F, positions, P) -> out (n, F, P) = the largest over the positions + bias (F,); P counts the windows.

    What stands at one position of all windows is one run of memory; winner (n, F, P) int32 takes the positions.
    """
    n, filters, positions, size = runs.shape
    for i in range(n):
        for f in range(filters):
            best, kept, added = out[i, f], winner[i, f], bias[f]  # the output holds the running maxima
            first = runs[i, f, 0]
            for p in range(size):
                best[p] = first[p]
                kept[p] = 0
            for position in range(1, positions):
                run = runs[i, f, position]
                for p in range(size):
                    larger = (not run[p] <= best[p]) and best[p] == best[p]
                    best[p] = run[p] if larger else best[p]
                    kept[p] = position if larger else kept[p]
            for p in range(size):
                best[p] += added


@kernel
def unpool_runs(grad: Array, winner: Array, runs: Array) -> None:
    """The way back: grad (n, F, P), winner (n, F, P) -> runs (n, F, positions, P), every number written."""
    n, filters, positions, size = runs.shape
    # The bias's gradient is the sum of `grad` and needs no pass here.
    for i in range(n):
        for f in range(filters):
            given, kept = grad[i, f], winner[i, f]
            for position in range(positions):
                run = runs[i, f, position]
                for p in range(size):
                    run[p] = given[p] if kept[p] == position else 0.0
