"""The innermost loop of sums of short products: a tile of one product, which then adds those to the left of it."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from . import vectors
from .counted_loop import CountedLoop
from .plane_lanes import LANES
from .values import FLOAT, INT, intrinsic_of, spread
from .vectors import first_places, load, store, store_where

_types: Any = types  # neither has annotations
_cgutils: Any = cgutils


def leaf_tile(rows: int, panels: int) -> Any:
    """A tile of `rows` x 16 `panels` numbers of A B, as a function for kernels; `rows` divide sixteen.

    What is made is called with (a, b, apart, (depth, second), room, (level, merges), c, down, shape). All are
    addresses, and numbers of floats. A is a part of a panel, whose lanes are the tile's rows; panels of B are `apart`
    floats apart. Each number is a chain of fused multiply-adds along `depth` rows of both, at least one, which begins
    with zero. If `second` is not zero, one along as many rows behind those is added. To the sum, `merges` numbers are
    added, those of as many levels below `level`, the highest first. `room` has a tile for each level, line after line.
    There the sum goes, too, unless `shape`, as (rows, columns), is positive: then so much of it is written to C, whose
    rows are `down` apart.
    """

    @intrinsic
    def tile(
        context: Any, a: Any, b: Any, apart: Any, depth: Any, room: Any, place: Any, c: Any, down: Any, shape: Any
    ) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            a, b, apart, depth, room, place, c, down, shape = args
            made = _LeafTile(build, rows, panels)
            made.multiply(a, b, apart, *_cgutils.unpack_tuple(build, depth))
            made.merge(room, *_cgutils.unpack_tuple(build, place))
            made.write(c, down, *_cgutils.unpack_tuple(build, shape))
            return cg.get_dummy_value()

        number, pair = types.int64, _types.UniTuple(types.int64, 2)
        return types.void(number, number, number, pair, number, pair, number, number, pair), codegen

    return tile


class _LeafTile:
    """The instructions of one tile, in the making. `sums` are its vectors, line after line."""

    def __init__(self, build: ir.IRBuilder, rows: int, panels: int) -> None:
        self.build, self.rows = build, rows
        # Panel and place in it, of each vector of a row.
        self.vectors = [(panel, lane) for panel in range(panels) for lane in range(0, LANES, vectors.WIDTH)]
        self.fma = intrinsic_of(build, "fma", vectors.VECTOR, 3)
        self.zeros: list[Any] = [ir.Constant(vectors.VECTOR, [0.0] * vectors.WIDTH)] * (rows * len(self.vectors))

    def multiply(self, a: Any, b: Any, apart: Any, depth: Any, second: Any) -> None:
        build = self.build
        a, b = self._pointer(a), self._pointer(b)
        starts = [build.gep(b, [build.add(build.mul(apart, INT(panel)), INT(lane))]) for panel, lane in self.vectors]
        self.sums, before = self._chains(a, starts, depth), build.block
        with build.if_then(build.icmp_signed(">", second, INT(0))):
            behind = [build.mul(depth, INT(LANES))]
            others = self._chains(build.gep(a, behind), [build.gep(start, behind) for start in starts], second)
            both, within = [build.fadd(*pair) for pair in zip(self.sums, others, strict=True)], build.block
        self._join(before, both, within)

    def _chains(self, a: Any, starts: list[Any], depth: Any) -> list[Any]:
        """The product of so many rows."""
        build = self.build
        loop = CountedLoop(build, depth)
        loop.begin(self.zeros)
        step = build.mul(loop.index, INT(LANES))
        factors = [load(build, build.gep(start, [step])) for start in starts]
        lane = build.gep(a, [step])
        made = []
        for i in range(self.rows):
            number = spread(build, build.load(build.gep(lane, [INT(i)])), vectors.WIDTH)
            sums = loop.carried[len(factors) * i : len(factors) * (i + 1)]
            made += [build.call(self.fma, [number, *pair]) for pair in zip(factors, sums, strict=True)]
        loop.end(made)
        return loop.carried_out

    def _join(self, before: Any, others: list[Any], within: Any) -> None:
        """Where a branch ends, the sums are those from the block `before`, or others from the block `within`."""
        met = [self.build.phi(vectors.VECTOR) for _ in self.sums]
        for phi, one, other in zip(met, self.sums, others, strict=True):
            phi.add_incoming(one, before)
            phi.add_incoming(other, within)
        self.sums = met

    def merge(self, room: Any, level: Any, merges: Any) -> None:
        """Add what lies below, and remember where the sum would lie."""
        build, before = self.build, self.build.block
        tile = vectors.WIDTH * len(self.zeros)
        self.place = build.gep(self._pointer(room), [build.mul(build.sub(level, merges), INT(tile))])
        with build.if_then(build.icmp_signed(">", merges, INT(0))):
            loop = CountedLoop(build, merges)
            loop.begin(self.sums)
            number = build.sub(build.sub(merges, INT(1)), loop.index)
            places = self._lines(build.gep(self.place, [build.mul(number, INT(tile))]))
            others = [load(build, place) for place in places]
            loop.end([build.fadd(*pair) for pair in zip(others, loop.carried, strict=True)])
            within = build.block
        self._join(before, loop.carried_out, within)

    def write(self, c: Any, down: Any, used: Any, wide: Any) -> None:
        build, width = self.build, len(self.vectors)
        with build.if_else(build.icmp_signed("<=", wide, INT(0))) as (within, out):
            with within:
                for place, value in zip(self._lines(self.place), self.sums, strict=True):
                    store(build, value, place)
            with out:
                firsts = [INT(LANES * panel + lane) for panel, lane in self.vectors]
                exist = [first_places(build, build.sub(wide, first)) for first in firsts]
                line = self._pointer(c)
                for i in range(self.rows):
                    values = self.sums[width * i : width * (i + 1)]
                    with build.if_then(build.icmp_signed("<", INT(i), used)):
                        for first, value, flags in zip(firsts, values, exist, strict=True):
                            store_where(build, value, build.gep(line, [first]), flags)
                    line = build.gep(line, [down])

    def _lines(self, first: Any) -> list[Any]:
        """Where the vectors of a tile are."""
        return [self.build.gep(first, [INT(vectors.WIDTH * i)]) for i in range(len(self.sums))]

    def _pointer(self, address: Any) -> Any:
        return self.build.inttoptr(address, FLOAT.as_pointer())
