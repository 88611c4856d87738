"""Convolution without cuDNN: weight x columns, by kernels of our own and cuBLAS. Always the same bits.

Row (c, t) of the columns holds what tap t of all windows reads from channel c. With the images of the batch side by
side, each of the three products is one wide GEMM per group. Columns are made again in backward: keeping them would take
many times the memory of the data.

A window is an output pixel. depth is C * kh * kw over all groups, so columns are (depth, images * windows).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...array import Array, Shape
from ..compiled_source import THREADS
from ..cublas import Cublas
from ..device import Device
from ..scratch_memory import Arena, Claim
from .bias_and_activation import Finish
from .convolution_base import BaseConvolution

COLUMNS_BYTES = 256 << 20  # at most, for columns and the products' other side; a larger batch is cut
_BLOCKS = 4096  # enough to keep the largest GPU busy


class ColumnsConvolution(BaseConvolution):
    """A BaseConvolution in float32 and C order, with one to three spatial axes; its arrays have the shapes named there.

    To be made, as all kernels, while the device is active. Raises DeviceError if cuBLAS fails.
    """

    def __init__(
        self,
        device: Device,
        op: Any,
        in_shapes: Sequence[Shape],
        out_shapes: Sequence[Shape],
        act_type: str | None = None,
    ) -> None:
        super().__init__(device, op, in_shapes, out_shapes, Finish(device, out_shapes[0], act_type))
        windows = op.windows()
        parts = (self.data[2:], self.out[2:], windows.kernel, windows.stride, windows.pad, windows.dilate)
        numbers = [
            number for part, fill in zip(parts, (1, 1, 1, 1, 0, 1), strict=True) for number in _three(part, fill)
        ]
        # Always three axes for the kernel; missing ones get extent, kernel, stride and dilation 1, and no padding.
        self._geometry = device.xp.array(numbers, dtype=np.int32)
        self._pixels, self._windows = _product(self.data[2:]), _product(self.out[2:])
        self._depth = self.data[1] * _product(windows.kernel)
        self._images = _images_at_once(self.data[0], 4 * self._windows * (self._depth + self.out[1]))
        # Bytes of columns, of the products' other side as rows, and of a weight gradient that is added to the first.
        row = 4 * self._windows * self._images
        sizes = [self._depth * row, self.out[1] * row, 4 * _product(self.weight)]
        self._claim = Claim(Arena.of(device, "columns"), sizes)

    def compute(self, data: Array, weight: Array, out: Array) -> None:
        """Write the convolution without bias and activation."""
        for part in self._parts(len(data)):
            rows = self._rows(out[part])
            self._multiply(self._grouped(weight), self._grouped(self._read_columns(data[part])), self._grouped(rows))
            # The product has the filters outermost, the output the images: one copy turns them.
            _images_first(out[part])[...] = _side_by_side(rows, len(out[part]))

    def weight_gradient(self, data: Array, grad: Array, target: Array) -> None:
        """Write the weight's gradient, the parts of the batch added up in their order."""
        partial = self._memory(2, target.shape)
        for number, part in enumerate(self._parts(len(data))):
            columns = self._grouped(self._read_columns(data[part])).swapaxes(1, 2)
            into = partial if number else target
            self._multiply(self._grouped(self._read_rows(grad[part])), columns, self._grouped(into))
            if number:
                target += partial

    def data_gradient(self, weight: Array, grad: Array, target: Array) -> None:
        """Write data's gradient, from that of what `compute` writes."""
        for part in self._parts(len(grad)):
            columns = self._columns(len(grad[part]))
            turned = self._grouped(weight).swapaxes(1, 2)
            self._multiply(turned, self._grouped(self._read_rows(grad[part])), self._grouped(columns))
            count = len(grad[part]) * self._pixels
            self._launch("columns_to_image", count, self.data[1], columns, target[part], len(grad[part]))

    def _parts(self, images: int) -> Iterator[slice]:
        """The parts of the batch whose columns are made at once."""
        for first in range(0, images, self._images):
            yield slice(first, min(first + self._images, images))

    def _read_columns(self, data: Array) -> Array:
        columns = self._columns(len(data))
        self._launch("image_to_columns", columns.shape[1], self._depth, data, columns, len(data))
        return columns

    def _read_rows(self, grad: Array) -> Array:
        """grad (n, F, ...) as (F, n * windows), a copy."""
        rows = self._rows(grad)
        _side_by_side(rows, len(grad))[...] = _images_first(grad)
        return rows

    def _launch(self, kernel: str, width: int, height: int, source: Array, target: Array, images: int) -> None:
        """`width` threads side by side, and as many rows of blocks, up to `height`, as the GPU has room for."""
        across = -(-width // THREADS)
        grid = (across, max(1, min(height, _BLOCKS // across)))
        args = (source, target, np.int32(images), np.int32(self.data[1]), self._geometry)
        self.device.module("im2col").launch(kernel, grid, args)

    def _multiply(self, left: Array, right: Array, out: Array) -> None:
        """out = left @ right for each group, all (groups, rows, columns), by one product of two axes after the other.

        cuBLAS reads transposed matrices as they lie. A batched product would have to copy them, to memory that a
        captured graph would go on using after it was given away.
        """
        for group in range(self.op.num_group):
            Cublas.of(self.device).multiply(left[group], right[group], out[group])

    def _grouped(self, matrix: Array) -> Array:
        """(rows, ...) as (groups, rows / groups, everything else)."""
        return matrix.reshape(self.op.num_group, len(matrix) // self.op.num_group, -1)

    def _columns(self, images: int) -> Array:
        return self._memory(0, (self._depth, images * self._windows))

    def _rows(self, planes: Array) -> Array:
        """Room for planes (n, F, ...) as (F, n * windows)."""
        return self._memory(1, (self.out[1], len(planes) * self._windows))

    def _memory(self, part: int, shape: Shape) -> Array:
        return self._claim.parts()[part].view(np.float32)[: _product(shape)].reshape(shape)


def _images_first(planes: Array) -> Array:
    """(images, F, ...) as (images, F, windows), a view."""
    return planes.reshape(*planes.shape[:2], -1)


def _side_by_side(rows: Array, images: int) -> Array:
    """(F, images * windows) as (images, F, windows), a view."""
    return rows.reshape(len(rows), images, -1).swapaxes(0, 1)


def _images_at_once(images: int, bytes_each: int) -> int:
    """How many images make a part: as few parts as the limit allows, all about equally large."""
    parts = -(-images // max(1, COLUMNS_BYTES // max(1, bytes_each)))
    return max(1, -(-images // max(1, parts)))


def _three(values: Shape, fill: int) -> Shape:
    return (fill,) * (3 - len(values)) + tuple(values)


def _product(extents: Sequence[int]) -> int:
    return int(np.prod(extents, dtype=np.int64))
