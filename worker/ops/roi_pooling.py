"""ROIPooling: the maximum of each cell of a grid laid over a region of an image."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ...common.errors import ParameterError
from ..array import Arrays, Gradients, Shape
from .operator import Operator, PartialShape, Step
from .parameters import Float, Ints
from .shapes import merge

Cell = tuple[int, int, slice, slice]  # row and column of the grid, and the pixels that belong to it


class ROIPooling(Operator):
    """data (N, C, H, W), rois (R, 5) -> (R, C, *pooled_size), after Girshick, "Fast R-CNN" (2015).

    A row of `rois` is the index of an image and two corners x1, y1, x2, y2, in pixels of the original picture;
    spatial_scale converts them to pixels of data. Both corners, rounded, belong to the region. Cells may overlap. A
    cell outside the image is 0, and so are all cells of a region whose image does not exist. The gradient goes to the
    first largest pixel of a cell; that of `rois` is zero.
    """

    asks_host = True  # which pixels a cell covers depends on the values in rois
    pooled_size = Ints(minimum=1)
    spatial_scale = Float(low=0.0)

    def check(self) -> None:
        """Raise ParameterError unless pooled_size is a height and a width."""
        if len(self.pooled_size) != 2:
            raise ParameterError("ROIPooling: parameter pooled_size", expected="2 numbers", got=self.pooled_size)

    def arguments(self) -> tuple[str, ...]:
        """data and rois."""
        return ("data", "rois")

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True: a region may lie in any image of the batch."""
        return True

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """The number of regions and of channels, in both directions. Raises ShapeError if they do not fit."""
        data = merge(in_shapes[0], (0, 0, 0, 0), "ROIPooling: data")
        rois = merge(in_shapes[1], (0, 5), "ROIPooling: rois")
        out = merge(out_shapes[0], (0, 0, *self.pooled_size), "ROIPooling: output")
        assert data is not None and rois is not None and out is not None
        out = merge(out, (rois[0], data[1], 0, 0), "ROIPooling: output")
        assert out is not None
        data = merge(data, (0, out[1], 0, 0), "ROIPooling: data")
        return [data, merge(rois, (out[0], 0), "ROIPooling: rois")], [out]

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write the maximum of each cell, for all channels at once."""
        data, rois, out = inputs[0], inputs[1], outputs[0]
        out.fill(0)
        for number, roi in enumerate(rois.tolist()):
            for row, column, high, wide in self._cells(roi, data.shape):
                out[number, :, row, column] = data[int(roi[0]), :, high, wide].max(axis=(1, 2))

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Find the largest pixel of each cell again, and add the gradient to it: cells may overlap."""
        data, rois, grad = inputs[0], inputs[1], in_grads[0]
        if in_grads[1] is not None:
            in_grads[1].fill(0)
        if grad is None:
            return
        grad.fill(0)
        channels = step.xp.arange(data.shape[1])
        for number, roi in enumerate(rois.tolist()):
            for row, column, high, wide in self._cells(roi, data.shape):
                pixels, target = data[int(roi[0]), :, high, wide], grad[int(roi[0]), :, high, wide]
                place = pixels.reshape(len(channels), -1).argmax(axis=1)  # of equal ones the first
                width = pixels.shape[2]
                target[channels, place // width, place % width] += out_grads[0][number, :, row, column]

    def _cells(self, roi: list[float], data: Shape) -> Iterator[Cell]:
        """The cells of one region that hold pixels; none if that image does not exist."""
        # No error: the cells keep the 0 that forward fills in, and get no gradient. NaN fails the comparison, too.
        image, *corners = roi
        if not 0 <= image < data[0] or not all(math.isfinite(corner) for corner in corners):
            return
        left, top, right, bottom = (_rounded(corner * self.spatial_scale) for corner in corners)
        rows = _cuts(top, bottom, self.pooled_size[0], data[2])
        columns = _cuts(left, right, self.pooled_size[1], data[3])
        for row, high in enumerate(rows):
            for column, wide in enumerate(columns):
                if high.start < high.stop and wide.start < wide.stop:
                    yield row, column, high, wide


def _rounded(value: float) -> int:
    """To the nearest whole number, halves away from zero as in C."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def _cuts(first: int, last: int, count: int, extent: int) -> list[slice]:
    """`count` ranges that cover first to last (both included), cut to [0, extent); they are rounded outwards."""
    size = max(last - first + 1, 1) / count  # of a cell, in pixels; a region has at least one pixel
    starts = [first + math.floor(k * size) for k in range(count)]
    stops = [first + math.ceil((k + 1) * size) for k in range(count)]
    return [slice(min(max(a, 0), extent), min(max(b, 0), extent)) for a, b in zip(starts, stops, strict=True)]
