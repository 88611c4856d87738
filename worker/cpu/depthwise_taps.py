"""Where the taps of depthwise convolutions are in frames (depthwise_frame.py), forward and for the data's gradient."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from ..array import Array, Shape
from ..ops.windows import Windows
from .depthwise_frame import Frame, frame


def window_frame(windows: Windows, plane: Shape, count: Shape) -> Frame:
    """The frame in which planes of that (height, width) are read by `count` windows."""
    return frame(plane, windows.pad, windows.stride, windows.span(), count)


def window_places(windows: Windows, f: Frame) -> Array:
    """Of the taps, in row-major order (int64)."""
    taps = product(range(windows.kernel[0]), range(windows.kernel[1]))
    (below, beside), (_, stride) = windows.dilate, windows.stride
    return np.array([y * below * f.pitch + x * beside % stride * f.phase + x * beside // stride for y, x in taps])


@dataclass(frozen=True)
class TurnedTaps:
    """How the gradient of data follows from that of the output: pixels (a, b), (a + stride, b), ... are a phase of it.

    Each phase is a correlation, without a stride, of the output's gradient with some of the taps: those by which
    windows reach its pixels, in the order of these windows.
    """

    frame: Frame  # of the output's gradient
    order: Array  # which tap it is, phase by phase (int64)
    places: Array  # where the gradient of the window is, for pixel (a, b)
    counts: Array  # taps of each phase, row-major by (a, b)


def turned_taps(windows: Windows, plane: Shape, count: Shape) -> TurnedTaps:
    """Those for planes of that (height, width) and `count` windows over each."""
    axes = [_axis(*one) for one in zip(windows.kernel, windows.stride, windows.pad, windows.dilate, strict=True)]
    shifts = [[shift for phase in axis for _, shift in phase] for axis in axes]
    least, most = [min(axis) for axis in shifts], [max(axis) for axis in shifts]
    pixels = [-(-extent // stride) for extent, stride in zip(plane, windows.stride, strict=True)]
    span = [high - low + 1 for low, high in zip(least, most, strict=True)]
    f = frame(count, tuple(-low for low in least), (1, 1), tuple(span), tuple(pixels))
    order, places, counts = [], [], []
    for down, across in product(*axes):
        counts.append(len(down) * len(across))
        for (y, below), (x, beside) in product(down, across):
            order.append(y * windows.kernel[1] + x)
            places.append((below - least[0]) * f.pitch + beside - least[1])
    return TurnedTaps(f, *(np.array(one, np.int64) for one in (order, places, counts)))


def _axis(kernel: int, stride: int, pad: int, dilate: int) -> list[list[tuple[int, int]]]:
    """For each phase along an axis, the taps that read it, each with a shift, in the order of their shifts.

    Pixel j of the phase is what window j + shift reads at that tap.
    """
    reached = [
        [(tap, divmod(a + pad - tap * dilate, stride)) for tap in reversed(range(kernel))] for a in range(stride)
    ]
    return [[(tap, shift) for tap, (shift, rest) in phase if rest == 0] for phase in reached]
