"""The innermost loop of the gradient of depthwise convolutions' weights: sums of products that stay in registers.

A weight's gradient is a dot product of all windows' gradients and what the windows read at its tap. It is computed as
sixteen sums side by side, one for each place of a window in its row modulo 16, whatever the width of vectors.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from . import vectors
from .fetching import Stream, prefetch
from .plane_lanes import LANES
from .values import FLOAT, INT, constant, intrinsic_of
from .vectors import load, load_part, store

ROWS_AT_ONCE = 4  # rows of windows that unrolled functions take at a time
AHEAD = 4096  # floats between gradients that are read and those that are fetched from memory meanwhile

_cgutils: Any = cgutils  # which has no annotations


def lane_sums(kernel: tuple[int, int], down: int, rows: int) -> Any:
    """Products added up over part of a plane, as a function of the address of its arguments, for kernels.

    The arguments, 8 bytes each, are the address of the first window in a frame (see depthwise_frame.py), the floats
    from row to row there, and from a row of windows to the next; the address of the taps' places in a row of the kernel
    (int64); the address of the windows' gradients, and how many rows and columns of them there are; and the address of
    the taps' sums, sixteen floats each, to which is added. The tenth and eleventh are the address of what is fetched
    from memory meanwhile, and how many floats.

    `kernel` is (height, width), and its windows are `down` rows apart. So many `rows` are worked off at a time; the
    frame must have numbers or zeros for all of them.
    """

    @intrinsic
    def add(context: Any, at: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            _Lanes(build, kernel, down, rows).add(args[0])
            return cg.get_dummy_value()

        return types.void(types.int64), codegen

    return add


class _Lanes:
    """The instructions of one such function, in the making."""

    def __init__(self, build: ir.IRBuilder, kernel: tuple[int, int], down: int, rows: int) -> None:
        self.build, self.kernel, self.down, self.rows = build, kernel, down, rows
        self.fma = intrinsic_of(build, "fma", vectors.VECTOR, 3)

    def add(self, at: Any) -> None:
        build, whole = self.build, self.build.inttoptr(at, INT.as_pointer())
        frame, self.pitch, self.step, places, grad, self.height, self.wide, sums = (
            build.load(build.gep(whole, [INT(i)])) for i in range(8)
        )
        self.frame, self.grad, sums = (build.inttoptr(one, FLOAT.as_pointer()) for one in (frame, grad, sums))
        listed = build.inttoptr(places, INT.as_pointer())
        self.right = [build.load(build.gep(listed, [INT(i)])) for i in range(self.kernel[1])]
        self.following = Stream(build, [build.load(build.gep(whole, [INT(i)])) for i in (9, 10)], self._steps())
        # Narrow vectors take their part of all windows first, as otherwise the sums would not fit the registers.
        for part in range(0, LANES, vectors.WIDTH):
            self._add_part(part, sums)

    def _add_part(self, part: int, sums: Any) -> None:
        build, number = self.build, self.kernel[0] * self.kernel[1]
        kept = [_cgutils.alloca_once_value(build, constant(vectors.VECTOR, 0.0)) for _ in range(number)]
        for one in kept:  # also when this is run again
            build.store(constant(vectors.VECTOR, 0.0), one)
        # Along the rows first: that is how they come from memory.
        with _cgutils.for_range_slice(build, INT(0), self.height, INT(self.rows), INT) as (row, _):
            self.following.fetch()  # outside the inner loop, whose sums fill the registers
            exist = [build.icmp_signed("<", build.add(row, INT(i)), self.height) for i in range(self.rows)]
            with _cgutils.for_range_slice(build, INT(part), self.wide, INT(LANES), INT) as (column, _):
                self._add_rows(row, column, exist, kept)
        for i, one in enumerate(kept):
            place = build.gep(sums, [INT(LANES * i + part)])
            store(build, build.fadd(load(build, place), build.load(one)), place)

    def _steps(self) -> Any:
        """How often all parts together take some rows."""
        build, parts = self.build, LANES // vectors.WIDTH
        return build.mul(build.sdiv(build.add(self.height, INT(self.rows - 1)), INT(self.rows)), INT(parts))

    def _add_rows(self, row: Any, column: Any, exist: list[Any], kept: list[Any]) -> None:
        """Add the products of `rows` rows of windows, of which some exist, a vector wide."""
        build, (tall, wide) = self.build, self.kernel
        left, grads = build.sub(self.wide, column), []
        start = build.gep(self.grad, [build.add(build.mul(row, self.wide), column)])
        for i, one in enumerate(exist):
            prefetch(build, build.gep(start, [build.add(build.mul(self.wide, INT(i)), INT(AHEAD))]))
            place = build.gep(start, [build.select(one, build.mul(self.wide, INT(i)), INT(0))])
            grads.append(load_part(build, place, build.select(one, left, INT(0))))
        corner = build.gep(self.frame, [build.add(build.mul(row, self.step), column)])
        sums = [build.load(one) for one in kept]
        for i in range((self.rows - 1) * self.down + tall):
            start = build.gep(corner, [build.mul(self.pitch, INT(i))])
            for j in range(wide):
                read = load(build, build.gep(start, [self.right[j]]))
                for k, grad in enumerate(grads):
                    tap = i - self.down * k
                    if 0 <= tap < tall:
                        sums[wide * tap + j] = build.call(self.fma, [grad, read, sums[wide * tap + j]])
        for value, one in zip(sums, kept, strict=True):
            build.store(value, one)
