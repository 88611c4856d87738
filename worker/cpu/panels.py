"""Matrices as panels of sixteen lanes, the way in which products read their factors.

A panel holds `depth` rows of sixteen numbers, one after the other: a row for each place on the inner axis of the
product, and a lane for each column of B, or row of A. Panels lie side by side, 16 * depth floats apart.

All addresses are those of float32, and strides count floats.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from ...common.compiled_calls import integer, line, outlined
from ...common.jit import kernel
from ..array import Array
from .fetching import fetch_rows, fetch_target
from .line_moves import copy_lines
from .line_transposes import transpose_lines, transpose_wide
from .plane_lanes import LANES
from .values import FLOAT, INT
from .vectors import WIDTH, lines

ROWS_AT_ONCE = 8
BLOCK = 32  # rows and columns; a line of the cache
LARGE = 1 << 14  # numbers, which the first-level cache cannot hold


def _same(number: Any) -> tuple[Any, ...]:
    return (number,)


def _reading(kind: Any, found: Any) -> Any:
    """What reads a number of that type at an address."""

    def read(context: Any, address: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            return build.load(build.inttoptr(args[0], kind.as_pointer()))

        return found(types.int64), codegen

    return intrinsic(read)


def _writing(kind: Any, given: Any) -> Any:
    """What writes a number of that type to an address."""

    def write(context: Any, address: Any, number: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            build.store(args[1], build.inttoptr(args[0], kind.as_pointer()))
            return cg.get_dummy_value()

        return types.void(types.int64, given), codegen

    return intrinsic(write)


_copy = lines(_same)
# What intrinsics are called with, in kernels, is not what their functions take.
read, read_address = _reading(FLOAT, types.float32), _reading(INT, types.int64)
write, write_address = _writing(FLOAT, types.float32), _writing(INT, types.int64)


@kernel
def address(array: Array) -> int:
    """Where an array begins. Signed, as kernels are compiled for each kind of whole number that they are given."""
    return int(np.int64(array.ctypes.data))


@kernel
def whole(number: int) -> int:
    """The same number, but none that the compiler knows: it compiles what is called anew for each that it knows."""
    return int(np.int64(number))


@kernel
def copy_line(source: int, target: int, count: int) -> None:
    """Copy so many numbers from one address to another."""
    given, taken = line(source, count), line(target, count)
    for i in range(count):
        taken[i] = given[i]


@kernel
def add_line(source: int, target: int, count: int) -> None:
    """Add so many numbers to those at another address."""
    given, total = line(source, count), line(target, count)
    for i in range(count):
        total[i] += given[i]


@kernel
def clear(target: int, count: int) -> None:
    """Write so many zeros to an address."""
    line(target, count)[:] = 0


@kernel
def pack(source: int, strides: tuple[int, int], depth: int, lanes: int, target: int) -> None:
    """Write a matrix as panels; `strides` are those from place to place of the inner axis and from lane to lane.

    Lanes that are missing in the last panel are zero.
    """
    along, across = strides
    packed = 0
    if across == 1:
        packed = lanes // LANES * LANES
        _pack_lines(source, along, depth, packed, target)
    for first in range(packed, lanes, LANES):
        taken, panel, used = source + 4 * first * across, target + 4 * first * depth, min(LANES, lanes - first)
        if used < LANES:
            clear(panel, LANES * depth)
        if across == 1:
            copy_lines(taken, along, panel, LANES, depth, used)
        else:
            _pack_lanes(taken, strides, depth, used, panel)


@kernel
def _pack_lanes(source: int, strides: tuple[int, int], depth: int, lanes: int, panel: int) -> None:
    """As `pack`, the lanes of one panel that exist."""
    along, across = strides
    even, far = 0, 0  # lanes, and their places, that are moved as vectors
    if along == 1:
        even, far = lanes - lanes % 4, depth - depth % 4
        _transpose_many(source, across, panel, LANES, (even, far))
    for lane in range(lanes):
        for k in range(far if lane < even else 0, depth):
            write(panel + 4 * (LANES * k + lane), read(source + 4 * (k * along + lane * across)))


@kernel
def _pack_lines(source: int, along: int, depth: int, lanes: int, target: int) -> None:
    """As `pack`, where lanes lie side by side and fill their panels.

    Some rows at a time: they are read side by side, as memory likes it, and each panel gets several lines in a row.
    """
    for begin in range(0, depth, ROWS_AT_ONCE):
        end = min(begin + ROWS_AT_ONCE, depth)
        for first in range(0, lanes, LANES):
            for k in range(begin, end):
                _copy(source + 4 * (k * along + first), 0, target + 4 * (first * depth + LANES * k), 0, LANES)


@kernel
def _transpose_many(source: int, apart: int, target: int, out: int, shape: tuple[int, int]) -> None:
    """Transpose lines, as many of them together as a vector holds; `shape` are multiples of four."""
    wide = shape[0] - shape[0] % WIDTH
    for row in range(0, wide, WIDTH):
        transpose_wide(source + 4 * row * apart, apart, target + 4 * row, out, shape[1])
    for row in range(wide, shape[0], 4):
        transpose_lines(source + 4 * row * apart, apart, target + 4 * row, out, shape[1])


@kernel
def _transpose(at: int) -> int:
    """Write the transpose (columns, rows) of a matrix (rows, columns).

    The arguments are (source, apart, target, out, rows, columns): rows are `apart` floats apart, those written `out`.
    """
    source, apart, target, out = integer(at, 0), integer(at, 1), integer(at, 2), integer(at, 3)
    rows, columns = integer(at, 4), integer(at, 5)
    # Four numbers of some lines at a time; the last four lines and numbers overlap the ones before.
    even, far = rows - rows % 4, columns - columns % 4
    # By larger blocks, so that each line of the cache is written as a whole before the next one takes its place.
    is_large = rows * columns >= LARGE
    for top in range(0, even, BLOCK):
        for left in range(0, far, BLOCK):
            if is_large:  # the next block, whose lines lie too far apart for a processor to foresee them
                down, right = (top, left + BLOCK) if left + BLOCK < columns else (top + BLOCK, 0)
                height, width = min(BLOCK, rows - down), min(BLOCK, columns - right)
                fetch_rows(source + 4 * (down * apart + right), apart, height, width)
                fetch_target(target + 4 * (right * out + down), out, width, height)
            corner, place = source + 4 * (top * apart + left), target + 4 * (left * out + top)
            _transpose_many(corner, apart, place, out, (min(BLOCK, even - top), min(BLOCK, far - left)))
    if rows < 4 or columns < 4:
        for row in range(rows):
            for column in range(columns):
                write(target + 4 * (column * out + row), read(source + 4 * (row * apart + column)))
        return 0
    lowest, rightmost = rows - 4, columns - 4
    if far < columns:
        _transpose_many(source + 4 * rightmost, apart, target + 4 * rightmost * out, out, (even, 4))
    if even < rows:
        transpose_lines(source + 4 * lowest * apart, apart, target + 4 * lowest, out, far)
        if far < columns:
            transpose_lines(
                source + 4 * (lowest * apart + rightmost), apart, target + 4 * (rightmost * out + lowest), out, 4
            )
    return 0


transpose = outlined("pushgrad_transpose", _transpose, *[types.int64] * 6)
