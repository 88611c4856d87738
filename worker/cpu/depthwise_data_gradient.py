"""The gradient of depthwise convolutions' data where they have a stride, phase by phase (see depthwise_taps.py)."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from ...common.compiled_calls import call, integer, line
from ...common.jit import kernel
from . import vectors
from .depthwise_correlation import list_arguments
from .depthwise_frame import clear_frames, frame_at, read_bands
from .depthwise_tiles import AHEAD
from .fetching import prefetch
from .panels import read, read_address, whole, write, write_address
from .plane_lanes import LANES, padded
from .values import BITS, FLOAT, INT
from .vectors import load, store, store_part

PART_FLOATS = 2048  # of a row of phases: the first-level cache keeps them until they are interleaved
PART_ROWS = 14  # parts have a multiple of these: whole tiles (depthwise_tiles.py)

_cgutils: Any = cgutils  # which has no annotations


def part_rows(band: int, wide: int, right: int) -> int:
    """How many of a band's rows are worked off at a time, so that all rows of pixels are written soon after another.

    There are `wide` columns of pixels in `right` phases.
    """
    across = right * padded(-(-wide // right))
    return min(band, max(PART_ROWS, PART_FLOATS // across // PART_ROWS * PART_ROWS))


@kernel
def turn(at: int) -> int:
    """Turned (C, used) = the numbers of weight (C, taps) in a listed order.

    The arguments are weight, turned, the order (int64), C, taps and used.
    """
    weight, turned, order, taps, used = integer(at, 0), integer(at, 1), integer(at, 2), integer(at, 4), integer(at, 5)
    for c in range(integer(at, 3)):
        for i in range(used):
            write(turned + 4 * (c * used + i), read(weight + 4 * (c * taps + read_address(order + 8 * i))))
    return 0


@kernel
def strided_data_gradient(at: int) -> int:
    """Target (n, C, H, W) = the gradient of data, from grad (n, C, OH, OW), of the output.

    The arguments are grad, turned weights (C, used), target, the numbers n, C and used, the rows H and columns W, the
    strides down and right, a function of CORRELATIONS for any taps, places and numbers of taps as of `TurnedTaps`, room
    for the frame, for thirteen arguments, and for a part of each phase of a row; the rows of a part; then the frame, of
    grad.
    """
    channels, height, wide, part = integer(at, 4), integer(at, 6), integer(at, 7), integer(at, 16)
    f, room = frame_at(at, whole(17)), integer(at, 13)
    begin, arguments = clear_frames(f, room), room + 4 * integer(at, 14)
    list_arguments(arguments, f, whole(0), whole(0), whole(0))
    write(arguments + 80, np.float32(0))
    write(arguments + 88, np.float32(-np.inf))
    write(arguments + 96, np.float32(np.inf))
    size, made = 4 * f.height * f.width, 4 * height * wide  # bytes of a plane
    for i in range(integer(at, 3)):
        for first in range(0, channels, f.together):
            number, count = i * channels + first, min(f.together, channels - first)
            for top in range(0, f.windows, f.band):
                rows = min(f.band, f.windows - top)
                read_bands(f, integer(at, 0) + size * number, count, top, rows, begin)
                for c in range(first, first + count):
                    for row in range(0, rows, part):
                        write_address(arguments, begin + 4 * ((c - first) * f.rows + row) * f.pitch)
                        write_address(arguments + 32, integer(at, 1) + 4 * c * integer(at, 5))
                        plane = integer(at, 2) + made * (i * channels + c)
                        _write_part(at, arguments, top + row, min(part, rows - row), plane)
    return 0


@kernel
def _write_part(at: int, arguments: int, top: int, rows: int, target: int) -> None:
    """All phases of some rows: the arguments are those of `strided_data_gradient`, and of the function that it calls.

    The latter are complete but for what depends on the phase. `target` is the plane that is written.
    """
    height, wide, down, right = integer(at, 6), integer(at, 7), integer(at, 8), integer(at, 9)
    places, counts, made = integer(at, 11), integer(at, 12), integer(at, 13) + 4 * integer(at, 15)
    weights, across = read_address(arguments + 32), ((wide + right - 1) // right + LANES - 1) // LANES * LANES
    used = 0
    for a in range(down):
        some = min(rows, (height - a + down - 1) // down - top)
        for b in range(right):
            taps, phase = read_address(counts + 8 * (a * right + b)), made + 4 * b * rows * across
            if taps == 0:
                line(phase, rows * across)[:] = 0
            elif some > 0:
                write_address(arguments + 24, places + 8 * used)
                write_address(arguments + 32, weights + 4 * used)
                write_address(arguments + 40, taps)
                write_address(arguments + 48, phase)
                write_address(arguments + 56, across)
                write_address(arguments + 64, some)
                write_address(arguments + 72, across)
                call(integer(at, 10), arguments)
            used += taps
        _write_rows(made, rows * across, across, target + 4 * (top * down + a) * wide, down * wide, some, (wide, right))


@kernel
def _write_rows(
    made: int, apart: int, across: int, target: int, pitch: int, rows: int, columns: tuple[int, int]
) -> None:
    """Phases of rows, `apart` floats from each other and `across` from row to row -> rows of pixels.

    `columns` says how many there are, and in how many phases.
    """
    wide, right = columns
    if right == 2:
        _mix_rows(made, apart, across, target, pitch, rows, wide)
        return
    for y in range(rows):
        for x in range(wide):
            place = made + 4 * (x % right * apart + y * across + x // right)
            write(target + 4 * (y * pitch + x), read(place))


def _mixing(context: Any, made: Any, apart: Any, across: Any, target: Any, pitch: Any, rows: Any, columns: Any) -> Any:
    """As `_write_rows`, for two phases."""

    def codegen(cg: Any, build: ir.IRBuilder, types_of_args: Any, args: Any) -> Any:
        made, apart, across, target, pitch, rows, columns = args
        width = vectors.WIDTH
        given, taken = (build.inttoptr(one, FLOAT.as_pointer()) for one in (made, target))
        mixed = [place for i in range(width) for place in (i, width + i)]
        orders = [ir.Constant(ir.VectorType(BITS, width), half) for half in (mixed[:width], mixed[width:])]
        with _cgutils.for_range_slice(build, INT(0), rows, INT(1), INT) as (row, _):
            start, end = build.gep(given, [build.mul(row, across)]), build.gep(taken, [build.mul(row, pitch)])
            with _cgutils.for_range_slice(build, INT(0), columns, INT(2 * width), INT) as (column, _):
                even = build.gep(start, [build.ashr(column, INT(1))])
                pair, left = (load(build, even), load(build, build.gep(even, [apart]))), build.sub(columns, column)
                halves = [build.shuffle_vector(*pair, order) for order in orders]
                places = [build.gep(end, [build.add(column, INT(i))]) for i in (0, width)]
                for place in places:
                    prefetch(build, build.gep(place, [INT(AHEAD)]))
                with build.if_else(build.icmp_signed(">=", left, INT(2 * width))) as (then, otherwise):
                    with then:
                        for half, place in zip(halves, places, strict=True):
                            store(build, half, place)
                    with otherwise:
                        for i, (half, place) in enumerate(zip(halves, places, strict=True)):
                            store_part(build, half, place, build.sub(left, INT(width * i)))
        return cg.get_dummy_value()

    return types.void(*[types.int64] * 7), codegen


_mix_rows: Any = intrinsic(_mixing)
