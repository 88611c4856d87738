"""Sixteen planes side by side: their rows as lines of pixels of 16 numbers, one vector register wide.

Transforms that are too short to be vectorised along a row run across planes instead. Lines are flat: lane l of pixel x
is number 16 x + l. Lanes beyond the last plane are zero.
"""

from __future__ import annotations

from ...common.jit import kernel
from ..array import Array

LANES = 16


def padded(planes: int) -> int:
    """The number of lanes that hold so many planes."""
    return -(-planes // LANES) * LANES


@kernel
def read_row(planes: Array, first: int, y: int, line: Array) -> None:
    """Row y of planes (C, H, W), from plane `first` on, into `line` of W pixels."""
    count, height, width = planes.shape
    flat, start, apart = planes.reshape(-1), (first * height + y) * width, height * width
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
    """The way back."""
    width = planes.shape[2]
    for lane in range(min(LANES, len(planes) - first)):
        row = planes[first + lane, y]
        for x in range(width):
            row[x] = line[LANES * x + lane]


@kernel
def add_row(line: Array, planes: Array, first: int, y: int) -> None:
    """As `write_row`, added to what is there."""
    width = planes.shape[2]
    for lane in range(min(LANES, len(planes) - first)):
        row = planes[first + lane, y]
        for x in range(width):
            row[x] += line[LANES * x + lane]


@kernel
def copy(source: Array, target: Array) -> None:
    """As much of `source` as `target` takes."""
    for x in range(target.size):
        target[x] = source[x]


@kernel
def load(matrices: Array, row: int, first: int, block: Array) -> None:
    """Sixteen numbers of one row of each of the matrices (N, rows, columns) into `block`, one behind the other."""
    for n in range(len(matrices)):
        source, target = matrices[n, row, first : first + LANES], block[LANES * n : LANES * n + LANES]
        for lane in range(LANES):
            target[lane] = source[lane]


@kernel
def store(block: Array, matrices: Array, row: int, first: int) -> None:
    """The way back."""
    for n in range(len(matrices)):
        source, target = block[LANES * n : LANES * n + LANES], matrices[n, row, first : first + LANES]
        for lane in range(LANES):
            target[lane] = source[lane]
