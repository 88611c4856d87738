"""Convolution as weight x columns for float32 on the CPU, where no pooling is fused with it; with groups, too.

Weight and output stay as they lie in memory. Large planes are worked off in bands of rows whose columns fit the
second-level cache, small planes several images at a time, since a GEMM of few columns is slow. Forward reads windows
where they lie in planes dealt into phases (see stride_phases.py); for the weight's gradient, columns are copied from
there. In a 1x1 convolution the image itself is the matrix or, with a stride, every n-th of its pixels.

In what follows, depth is C / groups * kh * kw, and pixels are those of the output.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..array import Array, Arrays, Gradients, Shape, aligned_zeros
from ..ops.operator import Step
from .activation import activate, multiply_by_slope
from .gemm_bands import Band, cut
from .image_columns import add_columns_to_image, deal_image, list_taps
from .matmul import Listed, matmul, transpose_into
from .panels import gather
from .plane_lanes import LANES
from .scratch import scratch
from .stride_phases import PhasePlan
from .sums import sum_pixels

if TYPE_CHECKING:
    from ..ops.convolution import Convolution

BAND_BYTES = 768 * 1024  # of columns: leaves room for the GEMM's packed panels in 1 MiB of second-level cache
FEWEST_COLUMNS = 320  # below this a GEMM loses speed


class ColumnsKernel:
    """Forward and backward of convolution -> activation, for one slice of the batch.

    data (n, C, H, W), weight (F, C / groups, kh, kw), bias (F,) -> (n, F, OH, OW).
    """

    def __init__(self, op: Convolution, data: Shape, out: Shape, act_type: str | None = None) -> None:
        windows = op.windows()
        self.act_type, self.groups = act_type, op.num_group
        self.plane = (out[2], out[3])
        self.depth = data[1] // op.num_group * op.kernel[0] * op.kernel[1]
        single = windows.kernel == (1, 1) and windows.pad == (0, 0)
        self.pointwise = single and windows.stride == (1, 1)
        self.sampled = single and not self.pointwise
        self.stride = windows.stride
        # What sums begin with, the bias or zeros, for whole panels of each filter.
        self.first = aligned_zeros((out[1], LANES))
        self.bands = list(cut(out[0], self.plane, self._wanted()))
        # For the tallest band; a lower one leaves the last lines unused.
        height = max(band.bottom - band.top for band in self.bands)
        self.plan = PhasePlan.of(windows, (height, out[3]))
        images = np.arange(self.bands[0].last - self.bands[0].first) * math.prod(self.plan.shape)
        pixels = np.arange(height)[:, None] * self.plan.shape[3] + np.arange(out[3])
        # Where the window of each pixel of a band begins; a smaller band has the first of them.
        self.lanes = (images[:, None, None] + pixels).reshape(-1)

    def _wanted(self) -> int:
        """How many columns a band should have."""
        if self.pointwise:
            return max(FEWEST_COLUMNS, self._pixels())  # nothing is copied, so that a band may be a whole image
        return max(BAND_BYTES // (4 * self.depth), FEWEST_COLUMNS)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write the activated output."""
        data, weight, out = inputs[0], inputs[1], outputs[0]
        if len(inputs) > 2:
            self.first[...] = inputs[2][:, None]
        for channels, filters in self._group_ranges(data.shape[1], len(weight)):
            for band in self.bands:  # a band's columns are multiplied at once, before others push them out of the cache
                columns, first = self._read(data[:, channels], band), self.first[filters]
                self._multiply(
                    _as_matrix(weight[filters]), columns, out[:, filters], band, first, self.act_type == "relu"
                )
        if self.act_type and self.act_type != "relu":
            activate(self.act_type, out)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the gradients of data, weight and bias, those that are asked for."""
        data, weight, grad = inputs[0], inputs[1], out_grads[0]
        if self.act_type:
            grad = multiply_by_slope(self.act_type, outputs[0], grad, scratch("slope", grad.shape))
        if len(inputs) > 2 and in_grads[2] is not None:
            sum_pixels(grad, in_grads[2])
        for channels, filters in self._group_ranges(data.shape[1], len(weight)):
            if in_grads[1] is not None:
                self._weight_gradient(data[:, channels], grad[:, filters], _as_matrix(in_grads[1][filters]))
            if in_grads[0] is not None:
                self._data_gradient(_as_matrix(weight[filters]), grad[:, filters], in_grads[0][:, channels])

    def _group_ranges(self, channels: int, filters: int) -> Iterator[tuple[slice, slice]]:
        """The input channels and the filters of each group."""
        inputs, outputs = channels // self.groups, filters // self.groups
        for g in range(self.groups):
            yield slice(g * inputs, (g + 1) * inputs), slice(g * outputs, (g + 1) * outputs)

    def _width(self, band: Band) -> int:
        """The number of columns: pixels of all images of the band."""
        return (band.last - band.first) * (band.bottom - band.top) * self.plane[1]

    def _read(self, data: Array, band: Band) -> Array | Listed:
        """The (depth, columns) matrix of a band; for a 1x1 convolution the data's own memory, if it can be."""
        if self.pointwise:
            return self._side_by_side(data, band, "columns")
        if self.sampled:
            columns = scratch("columns", (self.depth, self._width(band)))
            np.copyto(self._pixels_of(columns, band), self._samples(data, band))
            return columns
        shape = (data.shape[1], band.last - band.first, *self.plan.shape)
        # A vector may reach beyond the last pixel.
        memory = scratch("phases", (math.prod(shape) + LANES,))
        memory.fill(0)  # the border stays zero
        phases, rows = memory[:-LANES].reshape(shape), scratch("taps", (self.depth,), np.int64)
        for number, image in enumerate(data[band.first : band.last]):
            deal_image(image, phases, number, band.top, self.plan.pad)
        list_taps(phases, self.plan.offsets, rows)
        return Listed(rows, self.lanes[: self._width(band)])

    def _columns(self, data: Array, band: Band) -> Array:
        """As `_read`, with the matrix in memory."""
        read = self._read(data, band)
        if not isinstance(read, Listed):
            return read
        memory = scratch("columns", (self.depth * self._width(band) + LANES,))
        gather(read.rows, read.lanes, memory)
        columns: Array = memory[:-LANES].reshape(self.depth, -1)
        return columns

    def _samples(self, data: Array, band: Band) -> Array:
        """The pixels that a band of a strided 1x1 convolution reads: a view (images, C, rows, pixels of a row)."""
        (down, right), (_, out_w) = self.stride, self.plane
        rows = slice(band.top * down, (band.bottom - 1) * down + 1, down)
        places = slice(0, (out_w - 1) * right + 1, right)
        view: Array = data[band.first : band.last, :, rows, places]
        return view

    def _pixels_of(self, columns: Array, band: Band) -> Array:
        """`columns` seen with the axes of `_samples`."""
        parts = self._per_image(columns, band)
        return parts.reshape(*parts.shape[:2], -1, self.plane[1])

    def _side_by_side(self, planes: Array, band: Band, name: str) -> Array:
        """A band of planes (n, P, OH, OW) as a (P, columns) matrix: a view if it is of one image, else a copy."""
        if band.last - band.first == 1:
            return self._view(planes, band)
        made = scratch(name, (planes.shape[1], self._width(band)))
        np.copyto(self._per_image(made, band), planes[band.first : band.last].reshape(-1, len(made), self._pixels()))
        return made

    def _view(self, planes: Array, band: Band) -> Array:
        """A band of one image as a (P, columns) matrix, sharing the memory."""
        image, out_w = planes[band.first], self.plane[1]
        view: Array = image.reshape(len(image), -1)[:, band.top * out_w : band.bottom * out_w]
        return view

    def _per_image(self, matrix: Array, band: Band) -> Array:
        """(P, images * pixels) as (images, P, pixels), sharing the memory."""
        return matrix.reshape(len(matrix), band.last - band.first, -1).swapaxes(0, 1)

    def _pixels(self) -> int:
        return self.plane[0] * self.plane[1]

    def _multiply(
        self,
        left: Array,
        right: Array | Listed,
        out: Array,
        band: Band,
        first: Array | None = None,
        rectified: bool = False,
    ) -> None:
        """Write left (F, depth) @ right (depth, columns) to the band of `out` (n, F, OH, OW); see matmul.py."""
        if band.last - band.first == 1:  # rows of one image are equally far apart, so the GEMM can write in place
            matmul(left, right, self._view(out, band), first, rectified)
            return
        made = scratch("band", (len(left), self._width(band)))
        matmul(left, right, made, first, rectified)
        target = out[band.first : band.last]
        np.copyto(target.reshape(len(target), len(left), -1), self._per_image(made, band))

    def _weight_gradient(self, data: Array, grad: Array, target: Array) -> None:
        """Write target (F, depth), the sum over the bands in their order."""
        # The factor whose numbers lie the wrong way is copied, so that should be the smaller one.
        turned = target.shape[0] < target.shape[1]
        made = scratch("transposed", target.shape[::-1]) if turned else target
        for number, band in enumerate(self.bands):
            columns, rows = self._columns(data, band), self._side_by_side(grad, band, "rows")
            matmul(*((columns, rows.T) if turned else (rows, columns.T)), made, adds=number > 0)
        if turned:
            transpose_into(made, target)

    def _data_gradient(self, weight: Array, grad: Array, target: Array) -> None:
        """Write target (n, C / groups, H, W), from weight (F, depth) and grad (n, F, OH, OW)."""
        if not self.pointwise:
            target.fill(0)  # windows overlap and are added up, or leave pixels out
        for band in self.bands:
            rows = self._side_by_side(grad, band, "rows")
            if self.pointwise:
                self._multiply(weight.T, rows, target, band)
                continue
            columns, phases = scratch("columns", (self.depth, self._width(band))), scratch("phases", self.plan.shape)
            matmul(weight.T, rows, columns)
            if self.sampled:
                np.copyto(self._samples(target, band), self._pixels_of(columns, band))
                continue
            for image, part in zip(target[band.first : band.last], self._per_image(columns, band), strict=True):
                rows_of_band = (band.top, band.bottom)
                add_columns_to_image(part, image, rows_of_band, self.plane[1], phases, self.plan.offsets, self.plan.pad)


def _as_matrix(weight: Array) -> Array:
    return weight.reshape(len(weight), -1)
