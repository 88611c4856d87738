"""Matrices as panels of sixteen lanes, the way in which products read their factors.

A panel holds `depth` rows of sixteen numbers, one after the other: a row for each place on the inner axis of the
product, and a lane for each column of B, or row of A. Panels lie side by side, 16 * depth floats apart.

All addresses are those of float32, and strides count floats.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from ...common.compiled_calls import integer, line, outlined
from ...common.jit import kernel
from ..array import Array
from .fetching import fetch_rows, fetch_target
from .plane_lanes import LANES
from .values import FLOAT, INT
from .vectors import lines

_FOUR = ir.VectorType(FLOAT, 4)
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


def _transpose_lines(context: Any, source: Any, apart: Any, target: Any, out: Any, count: Any) -> Any:
    """Four lines of `count` floats, a multiple of 4, `apart` floats from line to line -> `count` lines of four floats.

    Those lie `out` floats apart, at `target`.
    """

    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        source, apart, target, out, count = args
        with cgutils.for_range_slice(build, INT(0), count, INT(4), INT) as (index, _):
            start = build.gep(build.inttoptr(source, FLOAT.as_pointer()), [index])
            end = build.gep(build.inttoptr(target, FLOAT.as_pointer()), [build.mul(index, out)])
            rows = []
            for i in range(4):
                place = build.gep(start, [build.mul(apart, INT(i))])
                rows.append(build.load(build.bitcast(place, _FOUR.as_pointer()), align=4))
            for i, column in enumerate(_transposed(build, rows)):
                place = build.gep(end, [build.mul(out, INT(i))])
                build.store(column, build.bitcast(place, _FOUR.as_pointer()), align=4)
        return cg.get_dummy_value()

    return types.void(*[types.int64] * 5), codegen


def _transposed(build: ir.IRBuilder, rows: list[Any]) -> list[Any]:
    """Four vectors of four numbers, transposed: numbers of two rows alternate first, then pairs of such numbers."""

    def mixed(left: Any, right: Any, order: list[int]) -> Any:
        return build.shuffle_vector(left, right, ir.Constant(ir.VectorType(ir.IntType(32), 4), order))

    columns = []
    for alternate in ([0, 4, 1, 5], [2, 6, 3, 7]):
        upper, lower = mixed(rows[0], rows[1], alternate), mixed(rows[2], rows[3], alternate)
        columns += [mixed(upper, lower, [0, 1, 4, 5]), mixed(upper, lower, [2, 3, 6, 7])]
    return columns


_copy = lines(_same)
# What intrinsics are called with, in kernels, is not what their functions take.
read, read_address = _reading(FLOAT, types.float32), _reading(INT, types.int64)
write, write_address = _writing(FLOAT, types.float32), _writing(INT, types.int64)
transpose_lines: Any = intrinsic(_transpose_lines)


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
        whole, far = 0, 0  # lanes, and their places, that are moved as vectors
        if along == 1:
            whole, far = used - used % 4, depth - depth % 4
            for lane in range(0, whole, 4):
                transpose_lines(taken + 4 * lane * across, across, panel + 4 * lane, LANES, far)
        for k in range(depth):
            for lane in range(whole if k < far else 0, LANES):
                number = read(taken + 4 * (k * along + lane * across)) if lane < used else 0.0
                write(panel + 4 * (LANES * k + lane), number)


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
def _transpose(at: int) -> int:
    """Write the transpose (columns, rows) of a matrix (rows, columns).

    The arguments are (source, apart, target, out, rows, columns): rows are `apart` floats apart, those written `out`.
    """
    source, apart, target, out = integer(at, 0), integer(at, 1), integer(at, 2), integer(at, 3)
    rows, columns = integer(at, 4), integer(at, 5)
    # Blocks of four by four numbers, the last of which overlap the ones before.
    whole, far = rows - rows % 4, columns - columns % 4
    # By larger blocks, so that each line of the cache is written as a whole before the next one takes its place.
    is_large = rows * columns >= LARGE
    for top in range(0, whole, BLOCK):
        for left in range(0, far, BLOCK):
            if is_large:  # the next block, whose lines lie too far apart for a processor to foresee them
                down, right = (top, left + BLOCK) if left + BLOCK < columns else (top + BLOCK, 0)
                height, width = min(BLOCK, rows - down), min(BLOCK, columns - right)
                fetch_rows(source + 4 * (down * apart + right), apart, height, width)
                fetch_target(target + 4 * (right * out + down), out, width, height)
            for row in range(top, min(top + BLOCK, whole), 4):
                corner, place = source + 4 * (row * apart + left), target + 4 * (left * out + row)
                transpose_lines(corner, apart, place, out, min(BLOCK, far - left))
    if rows < 4 or columns < 4:
        for row in range(rows):
            for column in range(columns):
                write(target + 4 * (column * out + row), read(source + 4 * (row * apart + column)))
        return 0
    if far < columns:
        for row in range(0, whole, 4):
            corner, place = source + 4 * (row * apart + columns - 4), target + 4 * ((columns - 4) * out + row)
            transpose_lines(corner, apart, place, out, 4)
    if whole < rows:
        row = rows - 4
        transpose_lines(source + 4 * row * apart, apart, target + 4 * row, out, far)
        if far < columns:
            corner, place = source + 4 * (row * apart + columns - 4), target + 4 * ((columns - 4) * out + row)
            transpose_lines(corner, apart, place, out, 4)
    return 0


transpose = outlined("pushgrad_transpose", _transpose, *[types.int64] * 6)
