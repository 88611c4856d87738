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
from .strided import read_strided


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
def deal(plane: Array, phases: Array, pad: tuple[int, int]) -> None:
    """Copy plane (H, W) into `phases`; what lies in the border is left as it is."""
    height, width = plane.shape
    stride_h, stride_w, rows, pitch = phases.shape
    for y in range(height):
        row = (y + pad[0]) // stride_h
        if row >= rows:
            break
        for b in range(stride_w):
            low = max(0, -((b - pad[1]) // stride_w))
            high = min(pitch, -((b - pad[1] - width) // stride_w))
            first = low * stride_w + b - pad[1]
            if high <= low:
                continue
            lane = phases[(y + pad[0]) % stride_h, b, row, low:high]
            read_strided(plane[y, first:], lane, stride_w)


@kernel
def collect(phases: Array, plane: Array, pad: tuple[int, int]) -> None:
    """The way back: every pixel of plane (H, W) from `phases`, zero where no window reaches."""
    height, width = plane.shape
    stride_h, stride_w, rows, pitch = phases.shape
    reach_y, reach_x = rows * stride_h - pad[0], pitch * stride_w - pad[1]
    if reach_y < height or reach_x < width:
        plane[:] = 0
    for y in range(min(height, reach_y)):
        row = (y + pad[0]) // stride_h
        for b in range(stride_w):
            low = max(0, -((b - pad[1]) // stride_w))
            high = min(pitch, -((b - pad[1] - width) // stride_w))
            first = low * stride_w + b - pad[1]
            if high <= low:
                continue
            lane = phases[(y + pad[0]) % stride_h, b, row, low:high]
            target = plane[y, first:]
            if stride_w == 1:
                for j in range(lane.size):
                    target[j] = lane[j]
            else:
                for j in range(lane.size):
                    target[stride_w * j] = lane[j]


@kernel
def lay_out(plane: Array, line: Array, pitch: int) -> None:
    """Plane (out_h, out_w) as one run of windows, zero where there is no window."""
    height, width = plane.shape
    line[:] = 0
    for y in range(height):
        place, source = line[y * pitch : y * pitch + width], plane[y]
        for x in range(width):
            place[x] = source[x]
