"""Planes laid out so that what every window reads at one tap of its kernel is one run of memory, whatever the stride.

A padded plane is dealt into stride_h * stride_w phases, each with `rows` lines of `pitch` numbers: place j of line r of
phase (a, b) holds pixel (r * stride_h + a, j * stride_w + b). Windows are numbered q = y * pitch + x, and at each tap
window q reads number q + offset, the offset being the tap's. Windows with x >= out_w do not exist: numbers are computed
for them, since an unbroken run is faster than one that leaves them out, but nobody reads these.

Example: stride 1 and no dilation make one phase, the padded plane itself, and tap (ky, kx) has offset ky * pitch + kx.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from ...common.jit import kernel
from ..array import Array, Shape
from ..ops.windows import Windows
from .strided import read_strided, write_strided


@dataclass(frozen=True)
class PhasePlan:
    """The layout for one geometry; see the module's docstring."""

    shape: Shape  # (stride_h, stride_w, rows, pitch)
    offsets: Array  # (taps,) int64, row-major as the kernel
    length: int  # of the run that covers every window: the last one is the last number
    pad: tuple[int, int]

    @classmethod
    def of(cls, windows: Windows, count: Shape) -> PhasePlan:
        """The layout for `count` = (out_h, out_w) windows of a two-dimensional kernel."""
        (stride_h, stride_w), (dilate_h, dilate_w) = windows.stride, windows.dilate
        # As far as the last window's last tap reaches, in steps of one stride.
        rows = count[0] + (windows.kernel[0] - 1) * dilate_h // stride_h
        pitch = count[1] + (windows.kernel[1] - 1) * dilate_w // stride_w
        # Tap (ky, kx) of window (y, x) reads pixel (y * stride_h + ky * dilate_h, ...), which lies in phase (a, b), the
        # remainders, and there `down` lines below and `right` places behind the window's own.
        offsets = []
        for ky, kx in product(range(windows.kernel[0]), range(windows.kernel[1])):
            (down, a), (right, b) = divmod(ky * dilate_h, stride_h), divmod(kx * dilate_w, stride_w)
            offsets.append(((a * stride_w + b) * rows + down) * pitch + right)
        length = (count[0] - 1) * pitch + count[1]
        pad = (windows.pad[0], windows.pad[1])
        return cls((stride_h, stride_w, rows, pitch), np.array(offsets, np.int64), length, pad)


@kernel
def _inside(b: int, pad: int, width: int, stride: int, pitch: int) -> tuple[int, int, int]:
    """low, high and first: places [low, high) of phase `b` hold pixels of the plane, the first one pixel `first`.

    Along either axis; `pitch` is the number of places. Place j holds pixel j * stride + b - pad, if it exists.
    """
    low = max(0, -((b - pad) // stride))
    high = max(low, min(pitch, -((b - pad - width) // stride)))
    return low, high, min(width, low * stride + b - pad)


@kernel
def deal(plane: Array, phases: Array, pad: tuple[int, int]) -> None:
    """Copy plane (H, W) to phases (stride_h, stride_w, rows, pitch); what lies in the border is left as it is."""
    height, width = plane.shape
    stride_h, stride_w, rows, pitch = phases.shape
    for b in range(stride_w):
        low, high, first = _inside(b, pad[1], width, stride_w, pitch)
        for a in range(stride_h):
            top, bottom, y = _inside(a, pad[0], height, stride_h, rows)
            for row in range(top, bottom):
                read_strided(plane[y, first:], phases[a, b, row, low:high], stride_w)
                y += stride_h


@kernel
def collect(phases: Array, plane: Array, pad: tuple[int, int]) -> None:
    """The way back: write every pixel of plane (H, W) from `phases`, zero where no window reaches."""
    height, width = plane.shape
    stride_h, stride_w, rows, pitch = phases.shape
    # With a stride the last windows may end before the plane does: those pixels have no place in the phases.
    if rows * stride_h - pad[0] < height or pitch * stride_w - pad[1] < width:
        plane[:] = 0
    for b in range(stride_w):
        low, high, first = _inside(b, pad[1], width, stride_w, pitch)
        for a in range(stride_h):
            top, bottom, y = _inside(a, pad[0], height, stride_h, rows)
            for row in range(top, bottom):
                write_strided(phases[a, b, row, low:high], plane[y, first:], stride_w)
                y += stride_h


@kernel
def lay_out(plane: Array, line: Array, pitch: int) -> None:
    """Copy plane (out_h, out_w) to `line`, one run of windows (flat), with zeros for windows that do not exist.

    Their gradient must be 0: the loops over taps add it to pixels like any other.
    """
    height, width = plane.shape
    line[:] = 0
    for y in range(height):
        place, source = line[y * pitch : y * pitch + width], plane[y]
        for x in range(width):
            place[x] = source[x]
