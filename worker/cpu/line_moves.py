"""Copying lines of a plane, all of their numbers or every second one, as vectors, the last one masked.

Lines are often shorter than a vector, and then what a compiler makes of a loop takes several times as long.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .values import BITS, FLOAT, INT, spread
from .vectors import WIDTH, load, load_part, store, store_part, store_where

_PLACES = ir.VectorType(BITS, WIDTH)
_NEVER = 1 << 40  # the number of a place to which nothing is written


def _moving(move: Any) -> Any:
    """What calls `move(build, source, target, begin, end, index, left)` for the vectors of all lines.

    A line begins at number `begin` of the source and number `end` of the target, and `index` of its numbers lie before
    the vector; `left` are there from it on, or it is None if these are more than a vector.

    What is made is called with (source, apart, target, out, lines, count), with lines of `count` numbers `apart` and
    `out` floats apart.
    """

    @intrinsic
    def lines(context: Any, source: Any, apart: Any, target: Any, out: Any, lines: Any, count: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            source, apart, target, out, lines, count = args
            source, target = (build.inttoptr(place, FLOAT.as_pointer()) for place in (source, target))
            # At least one number is left for the end, so that no whole vector is read beyond the last number.
            whole = build.and_(build.sub(count, INT(1)), INT(-WIDTH))
            with cgutils.for_range(build, lines) as line:
                begin, end = build.mul(line.index, apart), build.mul(line.index, out)
                with cgutils.for_range_slice(build, INT(0), whole, INT(WIDTH), INT) as (index, _):
                    move(build, source, target, begin, end, index, None)
                move(build, source, target, begin, end, whole, build.sub(count, whole))
            return cg.get_dummy_value()

        return types.void(*[types.int64] * 6), codegen

    return lines


def _place(build: ir.IRBuilder, base: Any, line: Any, index: Any, step: int) -> Any:
    return build.gep(base, [build.add(line, build.mul(index, INT(step)))])


def _copy(build: ir.IRBuilder, source: Any, target: Any, begin: Any, end: Any, index: Any, left: Any) -> None:
    start, stop = _place(build, source, begin, index, 1), _place(build, target, end, index, 1)
    if left is None:
        store(build, load(build, start), stop)
    else:
        store_part(build, load_part(build, start, left), stop, left)


def _take(build: ir.IRBuilder, source: Any, target: Any, begin: Any, end: Any, index: Any, left: Any) -> None:
    """Numbers 0, 2, 4, ... of the source."""
    start, stop = _place(build, source, begin, index, 2), _place(build, target, end, index, 1)
    behind = build.gep(start, [INT(WIDTH)])
    if left is None:
        pair = load(build, start), load(build, behind)
    else:
        reach = build.sub(build.mul(left, INT(2)), INT(1))
        pair = load_part(build, start, reach), load_part(build, behind, build.sub(reach, INT(WIDTH)))
    made = build.shuffle_vector(*pair, ir.Constant(_PLACES, list(range(0, 2 * WIDTH, 2))))
    if left is None:
        store(build, made, stop)
    else:
        store_part(build, made, stop, left)


def _put(build: ir.IRBuilder, source: Any, target: Any, begin: Any, end: Any, index: Any, left: Any) -> None:
    """To places 0, 2, 4, ... of the target, of which the others stay."""
    start, stop = _place(build, source, begin, index, 1), _place(build, target, end, index, 2)
    count = INT(WIDTH) if left is None else left
    given = load_part(build, start, count)
    for half in (0, WIDTH // 2):  # of the vector, whose numbers now lie two places apart
        order = [half + i // 2 for i in range(WIDTH)]
        apart = build.shuffle_vector(given, given, ir.Constant(_PLACES, order))
        numbers = [number if i % 2 == 0 else _NEVER for i, number in enumerate(order)]
        exist = build.icmp_signed("<", ir.Constant(ir.VectorType(INT, WIDTH), numbers), spread(build, count, WIDTH))
        store_where(build, apart, build.gep(stop, [INT(2 * half)]), exist)


# Each is called with (source, apart, target, out, lines, count): see `_moving`.
copy_lines, take_lines, put_lines = _moving(_copy), _moving(_take), _moving(_put)
