"""Planes laid out so that what every window reads at one tap of its kernel is one run of memory, whatever the stride.

A padded plane is dealt into stride_h * stride_w phases, each with `rows` lines of `pitch` numbers: place j of line r of
phase (a, b) holds pixel (r * stride_h + a, j * stride_w + b). Then window y * pitch + x reads the number at that place
plus an offset, one for each tap. Windows with x >= out_w do not exist: they compute numbers that nobody reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from ...common.jit import kernel
from ..array import Array, Shape
from ..ops.windows import Windows
from .strided import add_strided, read_strided, write_strided


@dataclass(frozen=True)
class PhasePlan:
    """The layout for one geometry."""

    shape: Shape  # (stride_h, stride_w, rows, pitch)
    offsets: Array  # (taps,) int64, row-major as the kernel
    length: int  # of the run that covers every window
    pad: tuple[int, int]

    @classmethod
    def of(cls, windows: Windows, count: Shape) -> PhasePlan:
        """For `count` = (out_h, out_w) windows of a two-dimensional kernel."""
        (stride_h, stride_w), (dilate_h, dilate_w) = windows.stride, windows.dilate
        rows = count[0] + (windows.kernel[0] - 1) * dilate_h // stride_h
        pitch = count[1] + (windows.kernel[1] - 1) * dilate_w // stride_w
        offsets = []
        for ky, kx in product(range(windows.kernel[0]), range(windows.kernel[1])):
            (down, a), (right, b) = divmod(ky * dilate_h, stride_h), divmod(kx * dilate_w, stride_w)
            offsets.append(((a * stride_w + b) * rows + down) * pitch + right)
        length = (count[0] - 1) * pitch + count[1]
        pad = (windows.pad[0], windows.pad[1])
        return cls((stride_h, stride_w, rows, pitch), np.array(offsets, np.int64), length, pad)


@kernel
def _inside(b: int, pad: int, width: int, stride: int, pitch: int) -> tuple[int, int, int]:
    """The places from low to high of a line of phase `b` hold pixels of the plane, beginning with pixel `first`."""
    low = max(0, -((b - pad) // stride))
    high = max(low, min(pitch, -((b - pad - width) // stride)))
    return low, high, min(width, low * stride + b - pad)


@kernel
def deal(plane: Array, phases: Array, pad: tuple[int, int]) -> None:
    """Copy plane (H, W) into `phases`; what lies in the border is left as it is."""
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
def deal_rows(plane: Array, phases: Array, down: int, pad: tuple[int, int]) -> None:
    """As `deal`, `phases` being cut out of a larger plane's, from line `down` on; zeros above and below the plane."""
    height, width = plane.shape
    stride_h, stride_w, rows, pitch = phases.shape
    for b in range(stride_w):
        low, high, first = _inside(b, pad[1], width, stride_w, pitch)
        for a in range(stride_h):
            y = down * stride_h + a - pad[0]
            for row in range(rows):
                lane = phases[a, b, row, low:high]
                if 0 <= y < height:
                    read_strided(plane[y, first:], lane, stride_w)
                else:
                    lane[:] = 0
                y += stride_h


@kernel
def collect(phases: Array, plane: Array, pad: tuple[int, int]) -> None:
    """The way back: every pixel of plane (H, W) from `phases`, zero where no window reaches."""
    height, width = plane.shape
    stride_h, stride_w, rows, pitch = phases.shape
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
def add_rows(phases: Array, plane: Array, down: int, pad: tuple[int, int]) -> None:
    """The transpose of `deal_rows`: add to each pixel of plane (H, W) what `phases` hold for it."""
    height, width = plane.shape
    stride_h, stride_w, rows, pitch = phases.shape
    for b in range(stride_w):
        low, high, first = _inside(b, pad[1], width, stride_w, pitch)
        for a in range(stride_h):
            y = down * stride_h + a - pad[0]
            for row in range(rows):
                if 0 <= y < height:
                    add_strided(phases[a, b, row, low:high], plane[y, first:], stride_w)
                y += stride_h


@kernel
def lay_out(plane: Array, line: Array, pitch: int) -> None:
    """Plane (out_h, out_w) as one run of windows, zero where there is no window."""
    height, width = plane.shape
    line[:] = 0
    for y in range(height):
        place, source = line[y * pitch : y * pitch + width], plane[y]
        for x in range(width):
            place[x] = source[x]
