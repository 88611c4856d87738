"""What max-pooling does with lines of numbers that are too short for a compiler's loops: vectors, the last one masked.

The functions are called from kernels, with addresses of float32 and the length of the lines.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from . import vectors
from .values import FLOAT, INT, Value, constant, spread
from .vectors import load_part, store_part

_cgutils: Any = cgutils  # which has no annotations


def _largest(
    context: Any, first: Any, down: Any, right: Any, height: Any, width: Any, best: Any, kept: Any, count: Any
) -> Any:
    """The largest of the lines of a window to `best`, and their positions, counted row by row, to `kept`.

    The lines of the window's `height` rows of `width` begin `down` and `right` floats apart, from `first` on. A NaN is
    larger than any number, and nothing is larger than a NaN.
    """

    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        first, down, right, height, width, best, kept, count = args
        first, best, kept = (build.inttoptr(place, FLOAT.as_pointer()) for place in (first, best, kept))
        largest, winner = (_cgutils.alloca_once(build, vectors.VECTOR) for _ in range(2))
        with cgutils.for_range_slice(build, INT(0), count, INT(vectors.WIDTH), INT) as (index, _):
            left = build.sub(count, index)
            build.store(constant(vectors.VECTOR, -math.inf), largest)
            build.store(constant(vectors.VECTOR, 0.0), winner)
            with cgutils.for_range(build, height) as row, cgutils.for_range(build, width) as column:
                place = build.add(build.mul(row.index, down), build.mul(column.index, right))
                given = load_part(build, build.gep(first, [build.add(place, index)]), left)
                before = build.load(largest)
                larger = Value(build, given).beats(Value(build, before)).value
                number = build.sitofp(build.add(build.mul(row.index, width), column.index), FLOAT)
                build.store(build.select(larger, given, before), largest)
                position = spread(build, number, vectors.WIDTH)
                build.store(build.select(larger, position, build.load(winner)), winner)
            store_part(build, build.load(largest), build.gep(best, [index]), left)
            store_part(build, build.load(winner), build.gep(kept, [index]), left)
        return cg.get_dummy_value()

    return types.void(*[types.int64] * 8), codegen


def _give_to_winner(context: Any, given: Any, kept: Any, number: Any, target: Any, count: Any) -> Any:
    """`target` = `given` where `kept` has `number`, and zeros elsewhere."""

    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        given, kept, number, target, count = args
        position = spread(build, number, vectors.WIDTH)
        with cgutils.for_range_slice(build, INT(0), count, INT(vectors.WIDTH), INT) as (index, _):
            left = build.sub(count, index)
            places = [build.gep(build.inttoptr(one, FLOAT.as_pointer()), [index]) for one in (given, kept, target)]
            value, winner = (load_part(build, place, left) for place in places[:2])
            is_there = build.fcmp_ordered("==", winner, position)
            store_part(build, build.select(is_there, value, constant(vectors.VECTOR, 0.0)), places[2], left)
        return cg.get_dummy_value()

    return types.void(types.int64, types.int64, types.float32, types.int64, types.int64), codegen


largest: Any = intrinsic(_largest)
give_to_winner: Any = intrinsic(_give_to_winner)
