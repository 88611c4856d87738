"""Each plane correlated with a filter of its own: forward of depthwise convolutions, and their data's gradient."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...common.compiled_calls import call, integer, real
from ...common.jit import kernel
from .depthwise_frame import Frame, clear_frames, frame_at, list_following, read_bands
from .depthwise_tiles import correlation
from .panels import read, whole, write, write_address

_three, _three_apart = correlation((3, 3)), correlation((3, 3), 2)
_five, _five_apart = correlation((5, 5)), correlation((5, 5), 2)
_any = correlation(None)


@kernel
def _correlate_three(at: int) -> int:
    _three(at)
    return 0


@kernel
def _correlate_three_apart(at: int) -> int:
    _three_apart(at)
    return 0


@kernel
def _correlate_five(at: int) -> int:
    _five(at)
    return 0


@kernel
def _correlate_five_apart(at: int) -> int:
    _five_apart(at)
    return 0


@kernel
def _correlate_any(at: int) -> int:
    _any(at)
    return 0


CORRELATIONS: dict[str, Callable[[int], int]] = {
    "(3, 3) 1": _correlate_three,
    "(3, 3) 2": _correlate_three_apart,
    "(5, 5) 1": _correlate_five,
    "(5, 5) 2": _correlate_five_apart,
    "any": _correlate_any,
}


def correlation_for(kernel: tuple[int, ...], dilate_down: int, down: int) -> str:
    """The name in CORRELATIONS of what handles a `kernel` (height, width) in windows that are `down` rows apart."""
    name = f"{tuple(kernel)} {down}"
    return name if dilate_down == 1 and name in CORRELATIONS else "any"


@kernel
def correlate_planes(at: int) -> int:
    """Target (n, C, OH, OW) = the sums of windows over source (n, C, H, W) of channels [first, last).

    The arguments are source, weights (C, taps), bias (C,) or 0, target, the numbers n, C, first and last, the columns
    OW, one of CORRELATIONS, the places of taps in the frame, how many there are, the least and the most that results
    may be, room for the frame, and for fifteen arguments; then the frame.
    """
    source, weights, bias, target = integer(at, 0), integer(at, 1), integer(at, 2), integer(at, 3)
    channels, wide, function, taps = integer(at, 5), integer(at, 8), integer(at, 9), integer(at, 11)
    f, arguments = frame_at(at, whole(16)), integer(at, 14) + 4 * integer(at, 15)
    begin = clear_frames(f, integer(at, 14))
    list_arguments(arguments, f, integer(at, 10), taps, wide)
    write(arguments + 88, np.float32(real(at, 12)))
    write(arguments + 96, np.float32(real(at, 13)))
    write_address(arguments + 56, wide)
    size, made = 4 * f.height * f.width, 4 * f.windows * wide  # bytes of a plane
    for i in range(integer(at, 4)):
        for first in range(integer(at, 6), integer(at, 7), f.together):
            number, count = i * channels + first, min(f.together, integer(at, 7) - first)
            for top in range(0, f.windows, f.band):
                rows = min(f.band, f.windows - top)
                read_bands(f, source + size * number, count, top, rows, begin)
                write_address(arguments + 64, rows)
                for c in range(first, first + count):
                    write_address(arguments, begin + 4 * (c - first) * f.rows * f.pitch)
                    write_address(arguments + 32, weights + 4 * c * taps)
                    list_following(f, source + size * (i * channels + c), top, rows, arguments + 104)
                    write_address(arguments + 48, target + made * (i * channels + c) + 4 * top * wide)
                    write(arguments + 80, read(bias + 4 * c) if bias else np.float32(0))
                    call(function, arguments)
    return 0


@kernel
def list_arguments(arguments: int, f: Frame, places: int, taps: int, wide: int) -> None:
    """Write what one of CORRELATIONS takes in all its calls for a frame."""
    write_address(arguments + 8, f.pitch)
    write_address(arguments + 16, f.pitch * f.down)
    write_address(arguments + 24, places)
    write_address(arguments + 40, taps)
    write_address(arguments + 72, wide)
