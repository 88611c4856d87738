"""The innermost loop of matrix products: a few rows and vectors of C = S + A B, which stay in registers.

Each number is one chain of fused multiply-adds in the order of the inner axis, which begins with the number of S. So
its bits depend neither on the tile nor on the processor.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from . import vectors
from .values import FLOAT, INT
from .vectors import load, spread, store


def register_tile(rows: int, columns: int) -> Any:
    """A tile of `rows` x `columns` numbers, a multiple of the width of vectors, as a function for kernels.

    What is made is called with (a, right, b, ldb, s, lds, c, ldc, used, depth, least). `a` is where the addresses of
    A's rows are, the other letters are addresses of matrices; `right` is the number of floats from column to column of
    A, `ldb` and the like from row to row. Of the rows of S and C, the first `used` exist: the others do the work of the
    last once more, and A's list goes on with it. `depth`, at least 1, is the length of the inner axis. Numbers below
    `least` become `least`; NaN stays.
    """

    @intrinsic
    def tile(
        context: Any, a: Any, right: Any, b: Any, ldb: Any, s: Any, lds: Any, c: Any, ldc: Any, used: Any, depth: Any,
        least: Any,
    ) -> Any:  # fmt: skip
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            _Tile(build, rows, columns // vectors.WIDTH).compute(*args)
            return cg.get_dummy_value()

        return types.void(*[types.int64] * 10, types.float32), codegen

    return tile


class _Tile:
    """The instructions of one tile, in the making."""

    def __init__(self, build: ir.IRBuilder, rows: int, across: int) -> None:
        self.build, self.rows, self.across = build, rows, across
        name, vector = f"llvm.fma.v{vectors.WIDTH}f32", vectors.VECTOR
        found = build.module.globals.get(name)
        self.fma = found or ir.Function(build.module, ir.FunctionType(vector, [vector] * 3), name)

    def compute(
        self, a: Any, right: Any, b: Any, ldb: Any, s: Any, lds: Any, c: Any, ldc: Any, used: Any, depth: Any,
        least: Any,
    ) -> None:  # fmt: skip
        build = self.build
        b, s, c = (build.inttoptr(address, FLOAT.as_pointer()) for address in (b, s, c))
        table = build.inttoptr(a, FLOAT.as_pointer().as_pointer())
        last = build.sub(used, INT(1))
        numbers = [build.select(build.icmp_signed("<", INT(i), last), INT(i), last) for i in range(self.rows)]
        first = [[load(build, place) for place in line] for line in self._places(s, lds, numbers)]
        lines = [build.load(build.gep(table, [INT(i)])) for i in range(self.rows)]
        made = self._chains(lines, right, b, ldb, first, depth)
        floor = spread(build, least)
        for line, values in zip(self._places(c, ldc, numbers), made, strict=True):
            for place, value in zip(line, values, strict=True):
                store(build, build.select(build.fcmp_ordered(">", floor, value), floor, value), place)

    def _places(self, base: Any, pitch: Any, numbers: list[Any]) -> list[list[Any]]:
        """Where the vectors of each row are."""
        starts = [self.build.mul(pitch, number) for number in numbers]
        steps = [INT(vectors.WIDTH * j) for j in range(self.across)]
        return [[self.build.gep(base, [self.build.add(start, step)]) for step in steps] for start in starts]

    def _chains(self, lines: list[Any], right: Any, b: Any, ldb: Any, first: list[list[Any]], depth: Any) -> Any:
        """The loop over the inner axis: the sums behind it."""
        build = self.build
        before, loop, after = build.block, build.append_basic_block("depth"), build.append_basic_block("done")
        build.branch(loop)
        build.position_at_end(loop)
        k = build.phi(INT)
        sums = [[build.phi(vectors.VECTOR) for _ in line] for line in first]
        column = build.mul(k, right)
        factors = [place[0] for place in zip(*self._places(b, ldb, [k]), strict=True)]
        factors = [load(build, place) for place in factors]
        made = []
        for line, chains in zip(lines, sums, strict=True):
            number = spread(build, build.load(build.gep(line, [column])))
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
