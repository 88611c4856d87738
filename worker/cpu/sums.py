"""Sums over some axes of an array of float32, in double precision and of one shape on every processor."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import groupby

import numpy as np

from ...common.call_table import Row
from ...common.compiled_calls import integer, line
from ...common.jit import kernel
from ..array import Array, Shape
from .scratch import scratch
from .vector_loops import summed


def sum_over(x: Array, axes: tuple[int, ...], out: Array, divisor: int = 1) -> bool:
    """Write the sums / divisor of a C-ordered float32 x over `axes` to `out`, of any shape and type that takes them.

    False, and nothing is written, if the axes alternate too often: axes that stay and axes that are added up may take
    turns twice. So the sums over rows and pixels of (rows, channels, pixels) are covered, as are all over one axis.
    """
    extents = _alternating(x.shape, axes)
    if extents is None:
        return False
    totals = scratch("totals", (extents[0], extents[2]), np.float64)
    _add_up(x.reshape(extents), totals)
    if divisor != 1:
        totals /= divisor
    out[...] = totals.reshape(out.shape)
    return True


def sum_pixels_row(planes: Array, out: Array) -> Row:
    """A row that writes out (C,) = the sums over rows and pixels of planes (n, C, ...), both in C order."""
    return Row(_sum_pixels, (planes, out, *planes.shape[:2], math.prod(planes.shape[2:])))


@lru_cache(maxsize=1024)
def _alternating(shape: Shape, axes: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    """The extents of an array as (kept, added up, kept, added up)."""
    runs = [
        (added, math.prod(shape[axis] for axis in run))
        for added, run in groupby((axis for axis in range(len(shape)) if shape[axis] != 1), lambda axis: axis in axes)
    ]
    extents = [extent for _, extent in runs]
    if not runs or not runs[-1][0]:
        extents.append(1)  # what comes last must be something that is added up
    missing = 4 - len(extents)
    extents = [1] * missing + extents
    return None if missing < 0 else (extents[0], extents[1], extents[2], extents[3])


_sum = summed(lambda x: x)


@kernel
def sum_line(address: int, count: int) -> float:
    """The sum of so many numbers at an address."""
    return float(_sum((address,), (), count))


@kernel
def _sum_pixels(at: int) -> int:
    """The row of `sum_pixels_row`."""
    count, channels, pixels = integer(at, 2), integer(at, 3), integer(at, 4)
    out, sums = line(integer(at, 1), channels), np.zeros(channels, np.float64)
    for i in range(count):
        for c in range(channels):
            sums[c] += sum_line(integer(at, 0) + 4 * (i * channels + c) * pixels, pixels)
    for c in range(channels):
        out[c] = sums[c]
    return 0


@kernel
def _add_up(x: Array, totals: Array) -> None:
    """totals (a, c) = the sums of x (a, b, c, d) over b and d."""
    count, behind = x.shape[2], x.shape[3]
    for i in range(x.shape[0]):
        total = totals[i]
        total[:] = 0
        for j in range(x.shape[1]):
            part = x[i, j].reshape(-1)
            if behind == 1:
                for k in range(count):
                    total[k] += part[k]
            else:
                for k in range(count):
                    total[k] += sum_line(part.ctypes.data + 4 * behind * k, behind)
