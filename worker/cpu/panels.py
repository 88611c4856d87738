"""Matrices as panels of sixteen lanes, the way in which products read their factors.

A panel holds `depth` rows of sixteen numbers, one after the other: a row for each place on the inner axis of the
product, and a lane for each column of B, or row of A. Panels lie side by side, 16 * depth floats apart.

All addresses are those of float32, and strides count floats.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from ...common.jit import kernel
from .plane_lanes import LANES
from .values import FLOAT, INT
from .vectors import lines

_FOUR = ir.VectorType(FLOAT, 4)


def _same(number: Any) -> tuple[Any, ...]:
    return (number,)


def _read(context: Any, address: Any) -> Any:
    """The float at `address`."""

    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        return build.load(build.inttoptr(args[0], FLOAT.as_pointer()))

    return types.float32(types.int64), codegen


def _write(context: Any, address: Any, number: Any) -> Any:
    """Write a float to `address`."""

    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        build.store(args[1], build.inttoptr(args[0], FLOAT.as_pointer()))
        return cg.get_dummy_value()

    return types.void(types.int64, types.float32), codegen


def _write_address(context: Any, address: Any, kept: Any) -> Any:
    """Write `kept`, an address, to `address`."""

    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        build.store(args[1], build.inttoptr(args[0], INT.as_pointer()))
        return cg.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


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
read: Any = intrinsic(_read)
write: Any = intrinsic(_write)
write_address: Any = intrinsic(_write_address)
transpose_lines: Any = intrinsic(_transpose_lines)


@kernel
def pack(source: int, strides: tuple[int, int], depth: int, lanes: int, target: int) -> None:
    """Write a matrix as panels; `strides` are those from place to place of the inner axis and from lane to lane.

    Lanes that are missing in the last panel are zero.
    """
    along, across = strides
    for first in range(0, lanes, LANES):
        taken, panel, used = source + 4 * first * across, target + 4 * first * depth, min(LANES, lanes - first)
        whole, far = 0, 0  # lanes, and their places, that are moved as vectors
        if across == 1 and used == LANES:
            for k in range(depth):
                _copy(taken + 4 * k * along, 0, panel + 4 * LANES * k, 0, LANES)
            continue
        if along == 1:
            whole, far = used - used % 4, depth - depth % 4
            for lane in range(0, whole, 4):
                transpose_lines(taken + 4 * lane * across, across, panel + 4 * lane, LANES, far)
        for k in range(depth):
            for lane in range(whole if k < far else 0, LANES):
                number = read(taken + 4 * (k * along + lane * across)) if lane < used else 0.0
                write(panel + 4 * (LANES * k + lane), number)


@kernel
def transpose(source: int, apart: int, target: int, out: int, rows: int, columns: int) -> None:
    """Write the transpose (columns, rows) of a matrix (rows, columns), with rows `out` and `apart` floats apart."""
    whole, far = rows - rows % 4, columns - columns % 4
    for row in range(0, whole, 4):
        transpose_lines(source + 4 * row * apart, apart, target + 4 * row, out, far)
    for row in range(rows):
        for column in range(far if row < whole else 0, columns):
            write(target + 4 * (column * out + row), read(source + 4 * (row * apart + column)))
