"""The innermost loop of matrix products: a few rows and panels of C = S + A B, which stay in registers.

Each number is one chain of fused multiply-adds in the order of the inner axis, which begins with the number of S. So
its bits depend neither on the tile nor on the processor.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from . import vectors
from .counted_loop import CountedLoop
from .plane_lanes import LANES
from .values import FLOAT, INT, intrinsic_of, spread
from .vectors import load, load_part, store, store_part

_types: Any = types  # neither has annotations
_cgutils: Any = cgutils


def register_tile(rows: int, panels: int) -> Any:
    """A tile of `rows` x 16 `panels` numbers, as a function for kernels.

    What is made is called with (a, b, b_strides, s, s_strides, c, c_strides, used, wide, least). Of the matrices, b, s
    and c are addresses, and strides count floats: from row to row, and from panel to panel. Of the rows of S and C, the
    first `used` exist: the others do the work of the last once more. Of their columns, `wide` exist, some of them in
    the last panel; B has all. Numbers below `least` become `least`; NaN stays.

    A is given by (address, rows, offsets, runs, depth, right), for its number (i, k) may lie anywhere that is the sum
    of a place for i and a place for k. `rows` is the address of a list of the former, of int64 in floats from `address`
    on. Those of k are `runs` runs of `depth` places, each at least 1; `offsets` is the address of a list of where each
    run begins, and `right` is the number of floats from place to place.
    """

    @intrinsic
    def tile(
        context: Any, a: Any, b: Any, b_strides: Any, s: Any, s_strides: Any, c: Any, c_strides: Any, used: Any,
        wide: Any, least: Any,
    ) -> Any:  # fmt: skip
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            _Tile(build, rows, panels).compute(*args)
            return cg.get_dummy_value()

        number, pair, six = types.int64, _types.UniTuple(types.int64, 2), _types.UniTuple(types.int64, 6)
        return types.void(six, number, pair, number, pair, number, pair, number, number, types.float32), codegen

    return tile


class _Tile:
    """The instructions of one tile, in the making."""

    def __init__(self, build: ir.IRBuilder, rows: int, panels: int) -> None:
        self.build, self.rows = build, rows
        # Panel and place in it, of each vector of a row.
        self.vectors = [(panel, lane) for panel in range(panels) for lane in range(0, LANES, vectors.WIDTH)]
        self.fma = intrinsic_of(build, "fma", vectors.VECTOR, 3)

    def compute(
        self, a: Any, b: Any, b_strides: Any, s: Any, s_strides: Any, c: Any, c_strides: Any, used: Any, wide: Any,
        least: Any,
    ) -> None:  # fmt: skip
        build = self.build
        b, s, c = (build.inttoptr(address, FLOAT.as_pointer()) for address in (b, s, c))
        last = build.sub(used, INT(1))
        numbers = [build.select(build.icmp_signed("<", INT(i), last), INT(i), last) for i in range(self.rows)]
        whole = build.icmp_signed(">=", wide, INT(LANES * (self.vectors[-1][0] + 1)))
        first = self._begin(self._places(s, s_strides, numbers), whole, wide)
        made = self._chains(_cgutils.unpack_tuple(build, a), b, b_strides, first)
        floor = spread(build, least, vectors.WIDTH)
        made = [[build.select(build.fcmp_ordered(">", floor, one), floor, one) for one in line] for line in made]
        self._end(made, self._places(c, c_strides, numbers), whole, wide)

    def _places(self, base: Any, strides: Any, numbers: list[Any]) -> list[list[Any]]:
        """Where the vectors of each row are."""
        build, (down, across) = self.build, _cgutils.unpack_tuple(self.build, strides)
        steps = [build.add(build.mul(across, INT(panel)), INT(lane)) for panel, lane in self.vectors]
        starts = [build.mul(down, number) for number in numbers]
        return [[build.gep(base, [build.add(start, step)]) for step in steps] for start in starts]

    def _exist(self, wide: Any) -> list[Any]:
        """For each vector of a row, how many of its numbers are among the `wide` that exist; 0 or less for none."""
        return [self.build.sub(wide, INT(LANES * panel + lane)) for panel, lane in self.vectors]

    def _begin(self, places: list[list[Any]], whole: Any, wide: Any) -> list[list[Any]]:
        """What sums begin with; zeros where columns do not exist."""
        build = self.build
        with build.if_else(whole) as (then, otherwise):
            with then:
                all_ = [load(build, place) for line in places for place in line]
                from_all = build.block
            with otherwise:
                exist = self._exist(wide)
                part = [load_part(build, place, n) for line in places for place, n in zip(line, exist, strict=True)]
                from_part = build.block
        begun = []
        for one, other in zip(all_, part, strict=True):
            begun.append(build.phi(vectors.VECTOR))
            begun[-1].add_incoming(one, from_all)
            begun[-1].add_incoming(other, from_part)
        width = len(self.vectors)
        return [begun[width * i : width * (i + 1)] for i in range(self.rows)]

    def _end(self, made: list[list[Any]], places: list[list[Any]], whole: Any, wide: Any) -> None:
        """Write the numbers of columns that exist."""
        build = self.build
        with build.if_else(whole) as (then, otherwise):
            with then:
                for line, values in zip(places, made, strict=True):
                    for place, value in zip(line, values, strict=True):
                        store(build, value, place)
            with otherwise:
                exist = self._exist(wide)
                for line, values in zip(places, made, strict=True):
                    for place, value, count in zip(line, values, exist, strict=True):
                        store_part(build, value, place, count)

    def _chains(self, a: list[Any], b: Any, b_strides: Any, first: list[list[Any]]) -> list[list[Any]]:
        """The loops over the inner axis, run by run: the sums behind them."""
        build = self.build
        address, rows, offsets, runs, depth, right = a
        base, table, offsets = (
            build.inttoptr(place, kind.as_pointer()) for place, kind in ((address, FLOAT), (rows, INT), (offsets, INT))
        )
        lines = [build.gep(base, [build.load(build.gep(table, [INT(i)]))]) for i in range(self.rows)]
        outer, inner = CountedLoop(build, runs), CountedLoop(build, depth)
        outer.begin([INT(0), *chain.from_iterable(first)])
        run_b, *sums = outer.carried
        inner.begin([build.load(build.gep(offsets, [outer.index])), run_b, *sums])
        column, row_b, *sums = inner.carried
        factors = [load(build, place) for place in self._places(b, b_strides, [row_b])[0]]
        made, width = [], len(self.vectors)
        for i, line in enumerate(lines):  # one after the other: each number leaves its register before the next comes
            number = spread(build, build.load(build.gep(line, [column])), vectors.WIDTH)
            chains = zip(factors, sums[width * i : width * (i + 1)], strict=True)
            made += [build.call(self.fma, [number, *pair]) for pair in chains]
        inner.end([build.add(column, right), build.add(row_b, INT(1)), *made])
        outer.end(inner.carried_out[1:])
        made = outer.carried_out[1:]
        return [made[width * i : width * (i + 1)] for i in range(self.rows)]
