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

from ...common.compiled_calls import integer, line
from ...common.jit import kernel
from ..array import Array, Shape
from ..ops.windows import Windows
from .line_moves import copy_lines, put_lines, take_lines
from .panels import read, write

# Strides, rows and pitch of phases, padding, height and width of the plane, and how many windows there are, down and
# across.
Layout = tuple[int, int, int, int, int, int, int, int, int, int]


@dataclass(frozen=True)
class PhasePlan:
    """The layout for one geometry; see the module's docstring."""

    shape: Shape  # (stride_h, stride_w, rows, pitch)
    offsets: Array  # (taps,) int64, row-major as the kernel
    length: int  # of the run that covers every window: the last one is the last number
    pad: tuple[int, int]
    count: Shape  # (out_h, out_w)

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
        return cls((stride_h, stride_w, rows, pitch), np.array(offsets, np.int64), length, pad, count)

    def layout(self, plane: Shape) -> Layout:
        """The numbers that kernels take, for planes of that height and width."""
        return (*self.shape, *self.pad, *plane, *self.count)  # type: ignore[return-value]

    def by_phase(self) -> tuple[Array, Array, Array]:
        """The taps that read each phase, in their order: their numbers, how far before a place the windows are that
        read it by them (both (taps,) int64), and where each phase's begin (phases + 1,).
        """
        phases, size = self.shape[0] * self.shape[1], self.shape[2] * self.shape[3]
        taps = np.argsort(self.offsets // size, kind="stable")
        begins = np.searchsorted(self.offsets[taps] // size, np.arange(phases + 1))
        return taps, self.offsets[taps] % size, begins


@kernel
def layout_at(at: int, first: int) -> Layout:
    """The layout among the arguments at an address, from number `first` on."""
    a, b, c = integer(at, first), integer(at, first + 1), integer(at, first + 2)
    d, e, f = integer(at, first + 3), integer(at, first + 4), integer(at, first + 5)
    return (
        a, b, c, d, e, f,
        integer(at, first + 6), integer(at, first + 7), integer(at, first + 8), integer(at, first + 9),
    )  # fmt: skip


@kernel
def _inside(b: int, pad: int, width: int, stride: int, pitch: int) -> tuple[int, int, int]:
    """low, high and first: places [low, high) of phase `b` hold pixels of the plane, the first one pixel `first`.

    Along either axis; `pitch` is the number of places. Place j holds pixel j * stride + b - pad, if it exists.
    """
    low = max(0, -((b - pad) // stride))
    high = max(low, min(pitch, -((b - pad - width) // stride)))
    return low, high, min(width, low * stride + b - pad)


@kernel
def _places(layout: Layout, a: int, b: int) -> tuple[int, int, int, int]:
    """Where the pixels of phase (a, b) begin, in its plane and in all phases, and how many lines and columns there are
    of them; places count floats.
    """
    stride_h, stride_w, rows, pitch, pad_h, pad_w, height, width, _, _ = layout
    low, high, first = _inside(b, pad_w, width, stride_w, pitch)
    top, bottom, y = _inside(a, pad_h, height, stride_h, rows)
    return y * width + first, ((a * stride_w + b) * rows + top) * pitch + low, bottom - top, high - low


@kernel
def deal(plane: int, phases: int, layout: Layout) -> None:
    """Copy a plane to its phases, both by their addresses; what lies in the border is left as it is."""
    stride_h, stride_w, _, pitch, _, _, _, width, _, _ = layout
    down = stride_h * width
    for phase in range(stride_h * stride_w):
        begin, place, lines, columns = _places(layout, phase // stride_w, phase % stride_w)
        source, target = plane + 4 * begin, phases + 4 * place
        if columns == 0:
            continue
        if stride_w == 1:
            copy_lines(source, down, target, pitch, lines, columns)
        elif stride_w == 2:
            take_lines(source, down, target, pitch, lines, columns)
        else:
            for row in range(lines):
                for j in range(columns):
                    write(target + 4 * (row * pitch + j), read(source + 4 * (row * down + j * stride_w)))


@kernel
def collect(phases: int, plane: int, layout: Layout) -> None:
    """The way back: write every pixel of a plane, zero where no window reaches."""
    stride_h, stride_w, rows, pitch, pad_h, pad_w, height, width, _, _ = layout
    down = stride_h * width
    # With a stride the last windows may end before the plane does: those pixels have no place in the phases.
    if rows * stride_h - pad_h < height or pitch * stride_w - pad_w < width:
        line(plane, height * width)[:] = 0
    for phase in range(stride_h * stride_w):
        begin, place, lines, columns = _places(layout, phase // stride_w, phase % stride_w)
        source, target = phases + 4 * place, plane + 4 * begin
        if columns == 0:
            continue
        if stride_w == 1:
            copy_lines(source, pitch, target, down, lines, columns)
        elif stride_w == 2:
            put_lines(source, pitch, target, down, lines, columns)
        else:
            for row in range(lines):
                for j in range(columns):
                    write(target + 4 * (row * down + j * stride_w), read(source + 4 * (row * pitch + j)))
