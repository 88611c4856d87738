"""Loops over runs of float32: so many neighbouring places in each row of a matrix, LANES at a time.

Place k of a run is in lane k % LANES. Numbers that differ from lane to lane come from a table with a line of LANES
floats for each; they stay in registers. Behind the last place of a run nothing is read, written or added up.

Arrays are given by the address of the run in the first row, which is trusted. Functions are written with `Value`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

from llvmlite import ir
from numba.core import cgutils as numba_cgutils
from numba.core import types
from numba.extending import intrinsic

from ...common.jit import kernel
from .fetching import prefetch
from .plane_lanes import LANES
from .values import DOUBLE, FLOAT, INT, Mask, Value, constant, spread
from .vector_loops import array_at, joined
from .vectors import WIDTH, first_places, load, load_part, store, store_part

cgutils: Any = numba_cgutils  # which has no types

# Numbers that lie between what is computed and what is fetched: of short runs, and of runs so long that both are in
# one. Else processors fetch ahead by themselves, but too little, and begin anew with each run.
SHORT, LONG, WITHIN = 512, 4096, 1024
_SUMS = ir.VectorType(DOUBLE, WIDTH)
_PARTS = range(0, LANES, WIDTH)  # the lanes with which the vectors begin that LANES numbers take


@kernel
def rows_ahead(rows: int, places: int) -> int:
    """So many rows before it is computed a run of so many places should be fetched; 0: while its own row is."""
    return 0 if places > LONG else max(1, min(rows, SHORT // places))


def summed_runs(function: Callable[..., Sequence[Value]], count: int) -> Any:
    """`count` sums for each lane, in double precision; each is one chain, row by row.

    `function` is given a list of the sums so far, then a number of each source, then one of each line of the table, and
    returns the sums with this place. What is made is called with a tuple of addresses, that of the table, that of the
    sums (a line of LANES float64 for each, overwritten), the rows, the floats from row to row, the places of a run, and
    how far ahead memory is fetched: see `rows_ahead`.
    """

    @intrinsic
    def loop(context: Any, sources: Any, table: Any, target: Any, rows: Any, stride: Any, places: Any, far: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            sources, table, target, *extents = args
            arrays = [array_at(build, address, FLOAT) for address in cgutils.unpack_tuple(build, sources)]
            lanes = _lines(build, table, len(signature(function).parameters) - 1 - len(arrays))
            totals = [[cgutils.alloca_once_value(build, constant(_SUMS, 0.0)) for _ in range(count)] for _ in _PARTS]

            def fetch(place: Any) -> None:
                for array in arrays:
                    prefetch(build, build.gep(array, [place]))

            def add(part: int, place: Any, exist: Any) -> None:
                sums = [Value(build, build.load(total)) for total in totals[part]]
                added = function(sums, *_numbers(build, arrays, place, exist), *lanes[part])
                for total, old, new in zip(totals[part], sums, added, strict=True):
                    chosen = new if exist is None else Mask(build, first_places(build, exist)).choose(new, old)
                    build.store(chosen.value, total)

            _walk(build, extents, add, fetch, backwards=False)
            out = array_at(build, target, DOUBLE)
            for part, lane in enumerate(_PARTS):
                for i, total in enumerate(totals[part]):
                    place = build.bitcast(build.gep(out, [INT(LANES * i + lane)]), _SUMS.as_pointer())
                    build.store(build.load(total), place).align = 8
            return cg.get_dummy_value()

        return types.void(sources, *[types.int64] * 6), codegen

    return loop


def mapped_runs(function: Callable[..., Value]) -> Any:
    """`function` of a number of each source and one of each line of the table, at every place of a run.

    What is made is called as what `summed_runs` makes, with the address of the target, which may be a source, instead
    of that of the sums. The last row comes first: after a loop over the same rows it is still in the cache.
    """

    @intrinsic
    def loop(context: Any, sources: Any, table: Any, target: Any, rows: Any, stride: Any, places: Any, far: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            sources, table, target, *extents = args
            arrays = [array_at(build, address, FLOAT) for address in cgutils.unpack_tuple(build, sources)]
            lanes = _lines(build, table, len(signature(function).parameters) - len(arrays))
            out = array_at(build, target, FLOAT)

            def fetch(place: Any) -> None:  # sources are in the cache already
                prefetch(build, build.gep(out, [place]), to_write=True)

            def write(part: int, place: Any, exist: Any) -> None:
                made = function(*_numbers(build, arrays, place, exist), *lanes[part]).value
                address = build.gep(out, [place])
                if exist is None:
                    store(build, made, address)
                else:
                    store_part(build, made, address, exist)

            _walk(build, extents, write, fetch, backwards=True)
            return cg.get_dummy_value()

        return types.void(sources, *[types.int64] * 6), codegen

    return loop


def _sum_of_lanes(context: Any, line: Any) -> Any:
    """The LANES float64 at an address added up, as a tree: the first half to the second, until one is left."""

    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        lanes = build.load(array_at(build, args[0], ir.VectorType(DOUBLE, LANES)), align=8)
        return joined(build, lanes, lambda left, right: left + right)

    return types.float64(types.int64), codegen


def _fill_lanes(context: Any, line: Any, number: Any) -> Any:
    """Write a float32 to LANES places from an address on, as vectors: loads of vectors need not wait for these."""

    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        out = array_at(build, args[0], FLOAT)
        for lane in _PARTS:
            store(build, spread(build, args[1], WIDTH), build.gep(out, [INT(lane)]))
        return cg.get_dummy_value()

    return types.void(types.int64, types.float32), codegen


# What intrinsics are called with, in kernels, is not what their functions take.
sum_of_lanes: Any = intrinsic(_sum_of_lanes)
fill_lanes: Any = intrinsic(_fill_lanes)


def _walk(
    build: ir.IRBuilder,
    extents: Sequence[Any],
    body: Callable[[int, Any, Any], None],
    fetch: Callable[[Any], None],
    backwards: bool,
) -> None:
    """The instructions of `body` for each vector of each row: it is told which part of LANES the vector is, its place
    in the arrays, and how many of its numbers exist (perhaps less than 0), or None if all do. `fetch` is told a place
    whose memory will soon be wanted.
    """
    rows, stride, places, far = extents
    behind_last = build.sub(rows, far)
    # Behind the last row comes the first one of the next run, or, backwards, behind the first row the last one.
    along, round_ = build.mul(far, stride), build.mul(behind_last, stride)
    along, round_ = (build.neg(along), build.add(places, round_)) if backwards else (along, build.sub(places, round_))
    along = build.select(build.icmp_signed("==", far, INT(0)), INT(WITHIN), along)
    whole = build.and_(places, INT(-LANES))
    rest = build.sub(places, whole)
    with cgutils.for_range_slice(build, INT(0), rows, INT(1), INT) as (number, _):
        row = build.sub(build.sub(rows, INT(1)), number) if backwards else number
        start = build.mul(row, stride)
        ahead = build.select(build.icmp_signed("<", number, behind_last), along, round_)
        with cgutils.for_range_slice(build, INT(0), whole, INT(LANES), INT) as (index, _):
            for part, lane in enumerate(_PARTS):
                place = build.add(start, build.add(index, INT(lane)))
                fetch(build.add(place, ahead))
                body(part, place, None)
        with build.if_then(build.icmp_signed(">", rest, INT(0))):
            for part, lane in enumerate(_PARTS):
                body(part, build.add(start, build.add(whole, INT(lane))), build.sub(rest, INT(lane)))


def _numbers(build: ir.IRBuilder, arrays: Sequence[Any], place: Any, exist: Any) -> list[Value]:
    """The vector at that place of each array."""
    found = [build.gep(array, [place]) for array in arrays]
    return [Value(build, load(build, at) if exist is None else load_part(build, at, exist)) for at in found]


def _lines(build: ir.IRBuilder, table: Any, count: int) -> list[list[Value]]:
    """For each part of LANES, its vector of every line."""
    lines = array_at(build, table, FLOAT)
    return [
        [Value(build, load(build, build.gep(lines, [INT(LANES * i + lane)]))) for i in range(count)] for lane in _PARTS
    ]
