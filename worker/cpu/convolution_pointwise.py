"""1x1 convolution without stride or padding for float32 on the CPU: the images themselves are the matrices."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from ...common.call_table import Row
from ...common.compiled_calls import integer, line
from ...common.jit import kernel
from ..array import WHOLE, Array, Arrays, Gradients, Shape, aligned_zeros
from ..ops.operator import Step
from .activation import activation_row, before_activation
from .image_products import image_product_rows, pixel_sum_rows
from .plane_lanes import LANES
from .row_kernel import RowKernel, Stage, shares
from .sums import sum_pixels_row
from .tree_sums import rows_over

if TYPE_CHECKING:
    from ..ops.convolution import Convolution

FEWEST_PIXELS = 16  # of an image: a product of fewer columns is slower than the way of DirectKernel
_FILTERS = 4  # that a thread takes at least: register tiles are some multiple of this high


def handles(op: Convolution, data: Shape) -> bool:
    """Whether this is such a convolution, of images that are large enough."""
    windows = op.windows()
    plain = windows.kernel == (1, 1) and windows.stride == (1, 1) and windows.pad == (0, 0)
    return plain and data[2] * data[3] >= FEWEST_PIXELS


class PointwiseKernel(RowKernel):
    """Forward and backward of convolution -> activation, for one slice of the batch.

    data (n, C, H, W), weight (F, C / groups, 1, 1), bias (F,) -> (n, F, H, W).
    """

    joins_slices = True

    def __init__(self, op: Convolution, act_type: str | None = None) -> None:
        self.act_type, self.groups = act_type, op.num_group

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Write the activated output."""
        return self._forward(inputs, outputs[0])

    def forward_stages(self, step: Step, inputs: Arrays, outputs: Arrays, threads: int) -> list[Stage]:
        """Parts are pixels or filters, whichever are more: the threads share what is larger of images and weight."""
        pixels, filters = math.prod(outputs[0].shape[2:]), len(inputs[1]) // self.groups
        if pixels > filters and self.act_type in (None, "relu"):
            return [[self._forward(inputs, outputs[0], part) for part in shares(pixels, threads, LANES)]]
        return [[self._forward(inputs, outputs[0], WHOLE, part) for part in shares(filters, threads, _FILTERS)]]

    def _forward(self, inputs: Arrays, out: Array, pixels: slice = WHOLE, filters: slice = WHOLE) -> list[Row]:
        """For some pixels of each image, or some filters of each group; other activations than relu want all pixels."""
        rows, is_relu = [], self.act_type == "relu"
        for data, weight, made, its in self._groups(inputs[0], inputs[1], out):
            part, first = weight[filters], None
            if len(inputs) > 2:
                first = aligned_zeros((len(part), LANES))  # a bias for each panel of columns
                rows.append(Row(_spread, (inputs[2][its][filters], first, len(first))))
            targets = made[:, filters, pixels]
            rows += image_product_rows(part, data[:, :, pixels], targets, first, is_relu)
            if self.act_type and not is_relu:
                rows += [activation_row(self.act_type, target, target) for target in targets]
        return rows

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Write the gradients of data, weight and bias, those that are asked for."""
        grad, rows = before_activation(self.act_type, outputs[0], out_grads[0])
        tree = self.tree_over(len(grad))
        if len(inputs) > 2 and in_grads[2] is not None:
            rows += rows_over(tree, in_grads[2], lambda begin, end, made: [sum_pixels_row(grad[begin:end], made)])
        if in_grads[1] is not None:
            rows += rows_over(tree, in_grads[1], partial(self._weight_rows, inputs[0], grad))
        if in_grads[0] is not None:
            for data, weight, out, _ in self._groups(in_grads[0], inputs[1], grad):
                rows += image_product_rows(weight.T, out, data)
        return rows

    def _weight_rows(self, inputs: Array, grad: Array, begin: int, end: int, target: Array) -> list[Row]:
        """What writes the weight's gradient from some images."""
        rows = []
        for data, made, out, _ in self._groups(inputs[begin:end], target, grad[begin:end]):
            rows += pixel_sum_rows(out, data, made)
        return rows

    def _groups(self, data: Array, weight: Array, out: Array) -> Iterator[tuple[Array, Array, Array, slice]]:
        """Each group's data (n, C, pixels), weight (F, C), output (n, F, pixels), and its filters."""
        channels, filters = data.shape[1] // self.groups, len(weight) // self.groups
        for g in range(self.groups):
            mine, its = slice(g * channels, (g + 1) * channels), slice(g * filters, (g + 1) * filters)
            yield (
                data.reshape(*data.shape[:2], -1)[:, mine],
                weight.reshape(len(weight), -1)[its],
                out.reshape(*out.shape[:2], -1)[:, its],
                its,
            )


@kernel
def _spread(at: int) -> int:
    """spread (F, 16) = bias (F,) at all sixteen places."""
    count = integer(at, 2)
    bias, places = line(integer(at, 0), count), line(integer(at, 1), count * LANES)
    for i in range(count * LANES):
        places[i] = bias[i // LANES]
    return 0
