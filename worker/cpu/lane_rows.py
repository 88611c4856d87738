"""Rows of planes as lines of pixels with sixteen planes side by side (see plane_lanes.py), and back."""

from __future__ import annotations

from ...common.jit import kernel
from ..array import Array
from .panels import address, transpose
from .plane_lanes import LANES


@kernel
def read_row(planes: Array, first: int, y: int, line: Array) -> None:
    """Copy row y of planes (C, H, W), from plane `first` on, to `line` of at least W pixels (flat, 16 W numbers)."""
    count, height, width = planes.shape
    if first + LANES > count:
        line[: LANES * width] = 0  # lanes beyond the last plane
    source = address(planes) + 4 * (first * height + y) * width
    transpose(source, height * width, address(line), LANES, min(LANES, count - first), width)


@kernel
def write_row(line: Array, planes: Array, first: int, y: int) -> None:
    """The reverse of `read_row`: `line` (flat, 16 numbers per pixel) to row y of planes (C, H, W) from `first` on."""
    count, height, width = planes.shape
    target = address(planes) + 4 * (first * height + y) * width
    transpose(address(line), LANES, target, height * width, width, min(LANES, count - first))


@kernel
def add_row(line: Array, planes: Array, first: int, y: int, turned: Array) -> None:
    """As `write_row` with a flat line, but added to what is there. `turned` is scratch, as long as the line."""
    width = planes.shape[2]
    lanes = min(LANES, len(planes) - first)
    transpose(address(line), LANES, address(turned), width, width, lanes)
    for lane in range(lanes):
        row, added = planes[first + lane, y], turned[width * lane : width * (lane + 1)]
        for x in range(width):
            row[x] += added[x]


@kernel
def copy(source: Array, target: Array) -> None:
    """Copy as much of `source` as `target` takes, both flat. numba's slice assignment would check for overlap."""
    for x in range(target.size):
        target[x] = source[x]
