"""Transposing a few lines of floats in registers, four numbers of each line at a time."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .values import BITS, FLOAT, INT
from .vectors import WIDTH

_FOUR = ir.VectorType(FLOAT, 4)


def _transposing(lines: int) -> Any:
    """So many lines of `count` floats, a multiple of 4, `apart` floats from line to line -> `count` lines of `lines`.

    Those lie `out` floats apart, at `target`. `lines` is 4, 8 or 16.
    """

    @intrinsic
    def transpose(context: Any, source: Any, apart: Any, target: Any, out: Any, count: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            source, apart, target, out, count = args
            with cgutils.for_range_slice(build, INT(0), count, INT(4), INT) as (index, _):
                start = build.gep(build.inttoptr(source, FLOAT.as_pointer()), [index])
                end = build.gep(build.inttoptr(target, FLOAT.as_pointer()), [build.mul(index, out)])
                fours = [_four(build, build.gep(start, [build.mul(apart, INT(i))])) for i in range(lines)]
                # Of each block of four lines, line i goes to the i-th vector: there blocks are transposed side by side.
                vectors = [_side_by_side(build, fours[i::4]) for i in range(4)]
                for i, column in enumerate(_transposed(build, vectors)):
                    place = build.gep(end, [build.mul(out, INT(i))])
                    build.store(column, build.bitcast(place, column.type.as_pointer()), align=4)
            return cg.get_dummy_value()

        return types.void(*[types.int64] * 5), codegen

    return transpose


def _four(build: ir.IRBuilder, place: Any) -> Any:
    return build.load(build.bitcast(place, _FOUR.as_pointer()), align=4)


def _side_by_side(build: ir.IRBuilder, parts: list[Any]) -> Any:
    """Vectors, a power of two of them, as one."""
    while len(parts) > 1:
        pairs = zip(parts[::2], parts[1::2], strict=True)
        parts = [_mixed(build, *pair, list(range(2 * pair[0].type.count))) for pair in pairs]
    return parts[0]


def _transposed(build: ir.IRBuilder, rows: list[Any]) -> list[Any]:
    """Four vectors, each block of four by four numbers transposed: numbers of two rows alternate first, then pairs."""
    columns, (first, second, third, fourth) = [], rows
    for alternate in ([0, 4, 1, 5], [2, 6, 3, 7]):
        upper, lower = _blocks_mixed(build, first, second, alternate), _blocks_mixed(build, third, fourth, alternate)
        columns += [_blocks_mixed(build, upper, lower, order) for order in ([0, 1, 4, 5], [2, 3, 6, 7])]
    return columns


def _blocks_mixed(build: ir.IRBuilder, left: Any, right: Any, order: list[int]) -> Any:
    """Each four numbers of two vectors mixed in an order, in which those of `right` count from 4 on."""
    width = left.type.count
    places = [place if place < 4 else width + place - 4 for place in order]
    return _mixed(build, left, right, [block + place for block in range(0, width, 4) for place in places])


def _mixed(build: ir.IRBuilder, left: Any, right: Any, order: list[int]) -> Any:
    return build.shuffle_vector(left, right, ir.Constant(ir.VectorType(BITS, len(order)), order))


# Each is called with (source, apart, target, out, count): see `_transposing`.
transpose_lines, transpose_wide = _transposing(4), _transposing(WIDTH)
