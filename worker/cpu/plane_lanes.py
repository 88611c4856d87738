"""Sixteen planes side by side: their rows become lines of pixels of 16 numbers, one AVX-512 register wide.

A transform that is too short to be vectorised along a row runs across planes instead, each plane in its lane. Lines are
flat: lane l of pixel x is number 16 x + l. Lanes beyond the last plane are zero.
"""

from __future__ import annotations

from ...common.jit import kernel
from ..array import Array

LANES = 16  # float32 numbers; narrower registers take a pixel in two or four parts


def padded(planes: int) -> int:
    """`planes` rounded up to whole groups of LANES."""
    return -(-planes // LANES) * LANES


@kernel
def read_row(planes: Array, first: int, y: int, line: Array) -> None:
    """Copy row y of planes (C, H, W), from plane `first` on, to `line` of at least W pixels (flat, 16 W numbers)."""
    count, height, width = planes.shape
    flat, start, apart = planes.reshape(-1), (first * height + y) * width, height * width
    # Here the number of lanes is a constant, so that the loop can be unrolled; the last group may lack planes.
    if first + LANES <= count:
        for x in range(width):
            pixel, place = line[LANES * x : LANES * x + LANES], start + x
            for lane in range(LANES):
                pixel[lane] = flat[place + lane * apart]
    else:
        line[: LANES * width] = 0
        for lane in range(count - first):
            for x in range(width):
                line[LANES * x + lane] = flat[start + lane * apart + x]


@kernel
def write_row(line: Array, planes: Array, first: int, y: int) -> None:
    """The reverse of `read_row`: `line` (flat, 16 numbers per pixel) to row y of planes (C, H, W) from `first` on."""
    width = planes.shape[2]
    # Plane by plane: writes run along memory, and the jumps are in `line`, which is in the cache.
    for lane in range(min(LANES, len(planes) - first)):
        row = planes[first + lane, y]
        for x in range(width):
            row[x] = line[LANES * x + lane]


@kernel
def add_row(line: Array, planes: Array, first: int, y: int) -> None:
    """As `write_row` with a flat line, but added to what is there."""
    width = planes.shape[2]
    for lane in range(min(LANES, len(planes) - first)):
        row = planes[first + lane, y]
        for x in range(width):
            row[x] += line[LANES * x + lane]


@kernel
def copy(source: Array, target: Array) -> None:
    """Copy as much of `source` as `target` takes, both flat. numba's slice assignment would check for overlap."""
    for x in range(target.size):
        target[x] = source[x]
