"""Loops over whole arrays that LLVM is handed as vectors: a function of all numbers, and sums of a fixed shape.

Arrays are given by the addresses of their first numbers (`array.ctypes.data`), which are trusted, and have to lie
contiguously. The functions are written with `Value`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils as numba_cgutils
from numba.core import types
from numba.extending import intrinsic

from . import vectors
from .values import BITS, DOUBLE, FLOAT, INT, Value, constant, spread

cgutils: Any = numba_cgutils  # which has no types

LANES = 16  # partial sums, whatever the width of a vector: LLVM takes as many registers as it needs for them


def mapped(function: Callable[..., Value], element: Any = FLOAT) -> Any:
    """`function` of numbers from as many arrays, at each of `count` places, to an array, which may be one of them.

    What is made is called with a tuple of addresses, a tuple of numbers that are the same at all places, which
    `function` gets after the others, the target's address and `count`. All are of the type `element`.
    """

    @intrinsic
    def loop(context: Any, sources: Any, numbers: Any, target: Any, count: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            sources, numbers, target, count = args
            arrays = [array_at(build, address, element) for address in cgutils.unpack_tuple(build, sources)]
            given, out = _numbers(cg, build, types_of_args.args[1], numbers, element), array_at(build, target, element)
            width = vectors.WIDTH if element == FLOAT else vectors.WIDTH // 2
            whole = build.and_(count, INT(-width))
            for start, end, step in ((INT(0), whole, width), (whole, count, 1)):
                with cgutils.for_range_slice(build, start, end, INT(step), INT) as (index, _):
                    read = [_load(build, array, index, element, step) for array in arrays]
                    made = function(*read, *(_spread(build, number, step) for number in given))
                    _store(build, made, out, index, step)
            return cg.get_dummy_value()

        return types.void(sources, numbers, types.int64, types.int64), codegen

    return loop


def mapped_together(function: Callable[..., Sequence[Value]]) -> Any:
    """As `mapped` in single precision, for a function that makes several numbers of those at each place.

    What is made is called with a tuple of targets' addresses instead of one. A target may be one of the sources.
    """

    @intrinsic
    def loop(context: Any, sources: Any, targets: Any, count: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            sources, targets, count = args
            arrays = [array_at(build, address, FLOAT) for address in cgutils.unpack_tuple(build, sources)]
            outs = [array_at(build, address, FLOAT) for address in cgutils.unpack_tuple(build, targets)]
            whole = build.and_(count, INT(-vectors.WIDTH))
            for start, end, step in ((INT(0), whole, vectors.WIDTH), (whole, count, 1)):
                with cgutils.for_range_slice(build, start, end, INT(step), INT) as (index, _):
                    made = function(*(_load(build, array, index, FLOAT, step) for array in arrays))
                    for value, out in zip(made, outs, strict=True):
                        _store(build, value, out, index, step)
            return cg.get_dummy_value()

        return types.void(sources, targets, types.int64), codegen

    return loop


def summed(function: Callable[..., Value], element: Any = FLOAT) -> Any:
    """The sum of `function` of numbers from as many arrays, over `count` places, in double precision.

    What is made is called with a tuple of addresses, a tuple of numbers as in `mapped`, and `count`. Place i belongs to
    partial sum i % LANES, and these are added up as a tree: the same bits for every width of vectors.
    """
    return _folded(lambda *read: function(*read).double(), lambda total, term: total + term, 0.0, element, DOUBLE)


def largest(function: Callable[..., Value]) -> Any:
    """The largest `function` of single precision, called as what `summed` makes; NaNs are passed over."""
    return _folded(function, lambda best, other: (other > best).choose(other, best), -math.inf, FLOAT, FLOAT)


def _folded(
    function: Callable[..., Value], join: Callable[[Value, Value], Value], start: float, element: Any, result: Any
) -> Any:
    """What `summed` and `largest` have in common: LANES parts of the result that are joined at the end."""

    @intrinsic
    def loop(context: Any, sources: Any, numbers: Any, count: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            sources, numbers, count = args
            arrays = [array_at(build, address, element) for address in cgutils.unpack_tuple(build, sources)]
            given = _numbers(cg, build, types_of_args.args[1], numbers, element)
            parts = cgutils.alloca_once_value(build, constant(ir.VectorType(result, LANES), start))
            each = build.bitcast(parts, result.as_pointer())
            whole = build.and_(count, INT(-LANES))
            for begin, end, step in ((INT(0), whole, LANES), (whole, count, 1)):
                with cgutils.for_range_slice(build, begin, end, INT(step), INT) as (index, _):
                    read = [_load(build, array, index, element, step) for array in arrays]
                    term = function(*read, *(_spread(build, number, step) for number in given))
                    part = build.gep(each, [build.sub(index, whole)]) if step == 1 else parts
                    build.store(join(Value(build, build.load(part)), term).value, part)
            return joined(build, build.load(parts), join)

        return (types.float32 if result == FLOAT else types.float64)(sources, numbers, types.int64), codegen

    return loop


def joined(build: ir.IRBuilder, parts: Any, join: Callable[[Value, Value], Value]) -> Any:
    """The parts of a vector joined as a tree: the first half with the second, until one is left."""
    half = parts.type.count // 2
    while half:
        undefined = ir.Constant(parts.type, ir.Undefined)
        first, second = (
            Value(build, build.shuffle_vector(parts, undefined, ir.Constant(ir.VectorType(BITS, half), list(places))))
            for places in (range(half), range(half, 2 * half))
        )
        parts, half = join(first, second).value, half // 2
    return build.extract_element(parts, BITS(0))


def array_at(build: ir.IRBuilder, address: Any, element: Any) -> Any:
    """A pointer to the numbers of the LLVM type `element` at an address."""
    return build.inttoptr(address, element.as_pointer())


def _numbers(cg: Any, build: ir.IRBuilder, kind: Any, numbers: Any, element: Any) -> Sequence[Any]:
    """The numbers of a tuple of the numba type `kind`, converted to `element`."""
    wanted = types.float32 if element == FLOAT else types.float64
    given = cgutils.unpack_tuple(build, numbers, kind.count)
    return [cg.cast(build, number, of, wanted) for number, of in zip(given, kind, strict=True)]


def _spread(build: ir.IRBuilder, number: Any, width: int) -> Value:
    return Value(build, spread(build, number, width) if width > 1 else number)


def _load(build: ir.IRBuilder, array: Any, index: Any, element: Any, width: int) -> Value:
    place = build.gep(array, [index])
    loaded = build.load(build.bitcast(place, ir.VectorType(element, width).as_pointer()) if width > 1 else place)
    loaded.align = 4 if element == FLOAT else 8
    return Value(build, loaded)


def _store(build: ir.IRBuilder, made: Value, array: Any, index: Any, width: int) -> None:
    place = build.gep(array, [index])
    build.store(made.value, build.bitcast(place, made.value.type.as_pointer()) if width > 1 else place).align = (
        4 if made.value.type in (FLOAT, ir.VectorType(FLOAT, width)) else 8
    )
