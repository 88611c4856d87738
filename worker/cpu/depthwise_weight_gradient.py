"""The gradient of depthwise convolutions' weights: for each channel, products of windows and their gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...common.compiled_calls import call, integer, line
from ...common.jit import kernel
from .depthwise_frame import Frame, clear_frames, frame_at, list_following, read_bands
from .depthwise_lanes import ROWS_AT_ONCE, lane_sums
from .panels import whole, write, write_address
from .plane_lanes import LANES
from .vector_loops import summed

TOGETHER = 8  # taps of any kernel at a time
SUMS_FLOATS = 8 * 1024  # of channels that are worked off together, so that planes are read in the order of memory

_three, _three_apart = lane_sums((3, 3), 1, ROWS_AT_ONCE), lane_sums((3, 3), 2, ROWS_AT_ONCE)
_five, _five_apart = lane_sums((5, 5), 1, ROWS_AT_ONCE), lane_sums((5, 5), 2, ROWS_AT_ONCE)
_some = lane_sums((1, TOGETHER), 1, 1)
_sum = summed(lambda x: x)


@kernel
def _add_three(at: int) -> int:
    _three(at)
    return 0


@kernel
def _add_three_apart(at: int) -> int:
    _three_apart(at)
    return 0


@kernel
def _add_five(at: int) -> int:
    _five(at)
    return 0


@kernel
def _add_five_apart(at: int) -> int:
    _five_apart(at)
    return 0


@kernel
def _add_any(at: int) -> int:
    """Some taps at a time, of a list that the last one fills up."""
    places, sums = integer(at, 3), integer(at, 7)
    for first in range(0, integer(at, 8), TOGETHER):
        write_address(at + 24, places + 8 * first)
        write_address(at + 56, sums + 4 * LANES * first)
        _some(at)
        write_address(at + 80, 0)  # it has been fetched
    write_address(at + 24, places)
    write_address(at + 56, sums)
    return 0


PRODUCTS: dict[str, Callable[[int], int]] = {
    "(3, 3) 1": _add_three,
    "(3, 3) 2": _add_three_apart,
    "(5, 5) 1": _add_five,
    "(5, 5) 2": _add_five_apart,
    "any": _add_any,
}


@kernel
def weight_gradient(at: int) -> int:
    """Target (C, taps) = the gradient of the weight, from data (n, C, H, W) and grad (n, C, OH, OW), of the output.

    The arguments are data, grad, target, the numbers n and C, the columns OW, one of PRODUCTS, the places of taps in
    the frame, a list that the last one fills up to a multiple of TOGETHER, how many there are, room for the frame, for
    eleven arguments, and for SUMS_FLOATS or sixteen sums of each tap in the list; then the frame.
    """
    data, grad, target, channels, wide, taps = (
        integer(at, 0), integer(at, 1), integer(at, 2), integer(at, 4), integer(at, 5), integer(at, 8)
    )  # fmt: skip
    f, room = frame_at(at, whole(12)), integer(at, 9)
    arguments, sums = room + 4 * integer(at, 10), room + 4 * integer(at, 11)
    begin = clear_frames(f, room)
    _list_arguments(arguments, f, integer(at, 7), wide)
    write_address(arguments + 64, taps)
    size = LANES * ((taps + TOGETHER - 1) // TOGETHER * TOGETHER)  # floats of a channel's sums
    some = max(1, SUMS_FLOATS // size)
    for first in range(0, channels, some):
        last = min(first + some, channels)
        line(sums, (last - first) * size)[:] = 0
        for i in range(integer(at, 3)):
            for c in range(first, last, f.together):
                count, lanes = min(f.together, last - c), sums + 4 * (c - first) * size
                _add_planes(
                    f, (data, grad, i * channels + c), count, wide, begin, (lanes, size), arguments, integer(at, 6)
                )
        for c in range(first, last):
            for t in range(taps):
                lanes = sums + 4 * ((c - first) * size + LANES * t)
                write(target + 4 * (c * taps + t), np.float32(_sum((lanes,), (), LANES)))
    return 0


@kernel
def _add_planes(
    f: Frame,
    planes: tuple[int, int, int],
    count: int,
    wide: int,
    begin: int,
    sums: tuple[int, int],
    arguments: int,
    function: int,
) -> None:
    """Add the products of windows and their gradients to the taps' sums, for so many planes.

    `planes` are the addresses of data and grad, and the number of the first plane; `sums` are the address of its sums
    and the floats from plane to plane.
    """
    data, grad, first = planes
    for top in range(0, f.windows, f.band):
        rows = min(f.band, f.windows - top)
        read_bands(f, data + 4 * first * f.height * f.width, count, top, rows, begin)
        write_address(arguments + 40, rows)
        for i in range(count):
            write_address(arguments, begin + 4 * i * f.rows * f.pitch)
            write_address(arguments + 32, grad + 4 * ((first + i) * f.windows + top) * wide)
            list_following(f, data + 4 * (first + i) * f.height * f.width, top, rows, arguments + 72)
            write_address(arguments + 56, sums[0] + 4 * i * sums[1])
            call(function, arguments)


@kernel
def _list_arguments(arguments: int, f: Frame, places: int, wide: int) -> None:
    """Write what one of PRODUCTS takes in all its calls for a frame."""
    write_address(arguments + 8, f.pitch)
    write_address(arguments + 16, f.pitch * f.down)
    write_address(arguments + 24, places)
    write_address(arguments + 48, wide)
