"""The innermost loop of matrix products: a few rows and panels of C = S + A B, which stay in registers.

Each number is one chain of fused multiply-adds in the order of the inner axis, which begins with the number of S. So
its bits depend neither on the tile nor on the processor.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from . import vectors
from .plane_lanes import LANES
from .values import FLOAT, INT, intrinsic_of, spread
from .vectors import load, load_part, store, store_part


def register_tile(rows: int, panels: int) -> Any:
    """A tile of `rows` x 16 `panels` numbers, as a function for kernels.

    What is made is called with (a, right, b, b_strides, s, s_strides, c, c_strides, used, wide, depth, least). `a` is
    where the addresses of A's rows are, and `right` the number of floats from column to column of A. The other letters
    are addresses of matrices, with strides in floats: from row to row, and from panel to panel. Of the rows of S and C,
    the first `used` exist: the others do the work of the last once more, and A's list goes on with it. Of their
    columns, `wide` exist, some of them in the last panel; B has all. `depth`, at least 1, is the length of the inner
    axis. Numbers below `least` become `least`; NaN stays.
    """

    @intrinsic
    def tile(
        context: Any, a: Any, right: Any, b: Any, b_strides: Any, s: Any, s_strides: Any, c: Any, c_strides: Any,
        used: Any, wide: Any, depth: Any, least: Any,
    ) -> Any:  # fmt: skip
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            _Tile(build, rows, panels).compute(*args)
            return cg.get_dummy_value()

        pair, number = types.UniTuple(types.int64, 2), types.int64
        takes = [number, number, number, pair, number, pair, number, pair, number, number, number, types.float32]
        return types.void(*takes), codegen

    return tile


class _Tile:
    """The instructions of one tile, in the making."""

    def __init__(self, build: ir.IRBuilder, rows: int, panels: int) -> None:
        self.build, self.rows = build, rows
        # Panel and place in it, of each vector of a row.
        self.vectors = [(panel, lane) for panel in range(panels) for lane in range(0, LANES, vectors.WIDTH)]
        self.fma = intrinsic_of(build, "fma", vectors.VECTOR, 3)

    def compute(
        self, a: Any, right: Any, b: Any, b_strides: Any, s: Any, s_strides: Any, c: Any, c_strides: Any, used: Any,
        wide: Any, depth: Any, least: Any,
    ) -> None:  # fmt: skip
        build = self.build
        b, s, c = (build.inttoptr(address, FLOAT.as_pointer()) for address in (b, s, c))
        table = build.inttoptr(a, FLOAT.as_pointer().as_pointer())
        last = build.sub(used, INT(1))
        numbers = [build.select(build.icmp_signed("<", INT(i), last), INT(i), last) for i in range(self.rows)]
        whole = build.icmp_signed(">=", wide, INT(LANES * (self.vectors[-1][0] + 1)))
        first = self._begin(self._places(s, s_strides, numbers), whole, wide)
        lines = [build.load(build.gep(table, [INT(i)])) for i in range(self.rows)]
        made = self._chains(lines, right, b, b_strides, first, depth)
        floor = spread(build, least, vectors.WIDTH)
        made = [[build.select(build.fcmp_ordered(">", floor, one), floor, one) for one in line] for line in made]
        self._end(made, self._places(c, c_strides, numbers), whole, wide)

    def _places(self, base: Any, strides: Any, numbers: list[Any]) -> list[list[Any]]:
        """Where the vectors of each row are."""
        build, (down, across) = self.build, cgutils.unpack_tuple(self.build, strides)
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

    def _chains(
        self, lines: list[Any], right: Any, b: Any, b_strides: Any, first: list[list[Any]], depth: Any
    ) -> list[list[Any]]:
        """The loop over the inner axis: the sums behind it."""
        build = self.build
        before, loop, after = build.block, build.append_basic_block("depth"), build.append_basic_block("done")
        build.branch(loop)
        build.position_at_end(loop)
        k = build.phi(INT)
        sums = [[build.phi(vectors.VECTOR) for _ in line] for line in first]
        column = build.mul(k, right)
        factors = [load(build, place) for place in self._places(b, b_strides, [k])[0]]
        made = []
        for line, chains in zip(lines, sums, strict=True):
            number = spread(build, build.load(build.gep(line, [column])), vectors.WIDTH)
            made.append([build.call(self.fma, [number, *pair]) for pair in zip(factors, chains, strict=True)])
        following = build.add(k, INT(1))
        k.add_incoming(INT(0), before)
        k.add_incoming(following, loop)
        for phis, begun, values in zip(sums, first, made, strict=True):
            for phi, start, value in zip(phis, begun, values, strict=True):
                phi.add_incoming(start, before)
                phi.add_incoming(value, loop)
        build.cbranch(build.icmp_signed("<", following, depth), loop, after)
        build.position_at_end(after)
        return made
