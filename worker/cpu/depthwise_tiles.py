"""The innermost loop of depthwise convolutions: rows of output, whose sums stay in registers over all taps.

Each number is one chain of fused multiply-adds that begins with the bias. Unrolled, it goes by the kernel's columns, so
that the chains of several rows take turns; else it has the order in which the taps are listed. So its bits depend
neither on the tile nor on the processor.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from . import vectors
from .fetching import Stream, prefetch
from .values import FLOAT, INT, intrinsic_of, spread
from .vectors import load, store, store_part

_cgutils: Any = cgutils  # which has no annotations

HEIGHTS = (7, 4)  # rows of a tile: what a plane's rows are most often a multiple of
# Floats between numbers that are written and those whose places are fetched from memory meanwhile: as if to be read, as
# the second-level cache is near enough, and the first level has no room for them.
AHEAD = 4096


def correlation(kernel: tuple[int, int] | None, down: int = 1) -> Any:
    """The sums of all windows over a part of a plane, as a function of the address of its arguments, for kernels.

    The frame that windows are read from has a row for each row of the plane, of `pitch` floats (see
    depthwise_frame.py). The arguments, 8 bytes each, are the address of the first window, `pitch`, the floats from a
    row of windows to the next, the address of the taps' places in the frame (int64), that of their weights, how many
    taps there are; the target's address and the floats from row to row; rows and columns of the target; the bias and
    what results are at least and at most, in single precision. NaN stays NaN. Unrolled code takes two more: the address
    of what is fetched from memory meanwhile, and how many floats.

    For `kernel` (height, width) the code is unrolled: its taps are in rows that follow each other, the same places in
    each, and windows are `down` rows apart. For None there may be any taps, at least one.
    """

    @intrinsic
    def correlate(context: Any, at: Any) -> Any:
        def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
            _Pass(build, args[0], kernel, down).compute()
            return cg.get_dummy_value()

        return types.void(types.int64), codegen

    return correlate


class _Pass:
    """The instructions of one such function, in the making."""

    def __init__(self, build: ir.IRBuilder, at: Any, kernel: tuple[int, int] | None, down: int) -> None:
        self.build, self.kernel, self.down = build, kernel, down
        self.fma = intrinsic_of(build, "fma", vectors.VECTOR, 3)
        whole, real = (build.inttoptr(at, kind.as_pointer()) for kind in (INT, FLOAT))
        numbers = [build.load(build.gep(whole, [INT(i)])) for i in range(10)]
        self.pitch, self.step, self.count, self.across, self.rows, self.wide = (numbers[i] for i in (1, 2, 5, 7, 8, 9))
        self.frame, self.weights, self.target = (build.inttoptr(numbers[i], FLOAT.as_pointer()) for i in (0, 4, 6))
        self.places = build.inttoptr(numbers[3], INT.as_pointer())
        limits = [build.load(build.gep(real, [INT(2 * i)])) for i in (10, 11, 12)]
        self.following = [build.load(build.gep(whole, [INT(i)])) for i in (13, 14)] if kernel else []
        self.bias, self.least, self.most = (spread(build, one, vectors.WIDTH) for one in limits)

    def compute(self) -> None:
        """Go down the plane in tiles of that height which covers it with fewer rows."""
        build = self.build
        tall, low = HEIGHTS
        if self.kernel:
            self.right = [build.load(build.gep(self.places, [INT(i)])) for i in range(self.kernel[1])]
        tall_rows, low_rows = (self._covered(height) for height in HEIGHTS)
        with build.if_else(build.icmp_signed("<=", tall_rows, low_rows)) as (then, otherwise):
            with then:
                self._go_down(tall)
            with otherwise:
                self._go_down(low)

    def _covered(self, height: int) -> Any:
        """Rows, rounded up to whole tiles."""
        build = self.build
        return build.mul(build.sdiv(build.add(self.rows, INT(height - 1)), INT(height)), INT(height))

    def _go_down(self, height: int) -> None:
        build, zero = self.build, INT(0)
        following = Stream(build, self.following, self._tiles(height)) if self.kernel else None
        with _cgutils.for_range_slice(build, zero, self.rows, INT(height), INT) as (row, _):
            last = build.sub(build.sub(self.rows, row), INT(1))
            frame = build.gep(self.frame, [build.mul(row, self.step)])
            # Rows beyond the last are written in its place, before it: from the lowest to the first.
            rows = [build.select(build.icmp_signed("<", INT(i), last), INT(i), last) for i in range(height)]
            targets = [build.gep(self.target, [build.mul(build.add(row, i), self.across)]) for i in rows]
            with _cgutils.for_range_slice(build, zero, self.wide, INT(vectors.WIDTH), INT) as (column, _):
                if following:  # else the target may be a phase of rows, which stays in the cache
                    following.fetch()
                    for one in targets:
                        prefetch(build, build.gep(one, [build.add(column, INT(AHEAD))]))
                sums = self._sums(build.gep(frame, [column]), height)
                self._write([build.gep(one, [column]) for one in targets], sums, build.sub(self.wide, column))

    def _tiles(self, height: int) -> Any:
        """How many there are."""
        build, width = self.build, vectors.WIDTH
        across = build.sdiv(build.add(self.wide, INT(width - 1)), INT(width))
        return build.mul(build.sdiv(self._covered(height), INT(height)), across)

    def _write(self, places: list[Any], sums: list[Any], left: Any) -> None:
        """Write the sums, within their limits, to the columns that are left."""
        build = self.build
        bounded = [build.select(build.fcmp_ordered(">", self.least, one), self.least, one) for one in sums]
        bounded = [build.select(build.fcmp_ordered("<", self.most, one), self.most, one) for one in bounded]
        with build.if_else(build.icmp_signed(">=", left, INT(vectors.WIDTH))) as (then, otherwise):
            with then:
                for place, value in zip(reversed(places), reversed(bounded), strict=True):
                    store(build, value, place)
            with otherwise:
                for place, value in zip(reversed(places), reversed(bounded), strict=True):
                    store_part(build, value, place, left)

    def _sums(self, frame: Any, height: int) -> list[Any]:
        """The sums of windows in as many rows, a vector for each, the first of which begins at `frame`."""
        return self._unrolled(frame, height) if self.kernel else self._any(frame, height)

    def _unrolled(self, frame: Any, height: int) -> list[Any]:
        """Column by column of the kernel: each vector of a row is read once for all windows that it is part of then."""
        build, sums = self.build, [self.bias] * height
        assert self.kernel is not None
        down, right = self.kernel
        for j in range(right):
            places = [build.gep(self.weights, [INT(right * i + j)]) for i in range(down)]
            weights = [spread(build, build.load(place), vectors.WIDTH) for place in places]
            column = build.gep(frame, [self.right[j]])
            for i in range((height - 1) * self.down + down):
                taps = {k: i - self.down * k for k in range(height) if 0 <= i - self.down * k < down}
                read = load(build, build.gep(column, [build.mul(self.pitch, INT(i))])) if taps else None
                for k, tap in taps.items():
                    sums[k] = build.call(self.fma, [weights[tap], read, sums[k]])
        return sums

    def _any(self, frame: Any, height: int) -> list[Any]:
        """Tap by tap, in a loop."""
        build, before = self.build, self.build.block
        body, after = (build.append_basic_block(name) for name in ("taps", "tapped"))
        build.branch(body)
        build.position_at_end(body)
        tap, sums = build.phi(INT), [build.phi(vectors.VECTOR) for _ in range(height)]
        weight = spread(build, build.load(build.gep(self.weights, [tap])), vectors.WIDTH)
        first = build.gep(frame, [build.load(build.gep(self.places, [tap]))])
        made = []
        for i, one in enumerate(sums):
            read = load(build, build.gep(first, [build.mul(self.step, INT(i))]))
            made.append(build.call(self.fma, [weight, read, one]))
            one.add_incoming(self.bias, before)
            one.add_incoming(made[-1], body)
        following = build.add(tap, INT(1))
        tap.add_incoming(INT(0), before)
        tap.add_incoming(following, body)
        build.cbranch(build.icmp_signed("<", following, self.count), body, after)
        build.position_at_end(after)
        return made
