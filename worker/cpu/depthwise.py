"""Depthwise convolution: every channel by itself, with one filter. That is too little arithmetic for a product.

Each plane is laid out in the first-level cache so that every tap reads runs of memory, whatever the stride
(depthwise_frame.py), and sums stay in registers over all taps (depthwise_tiles.py).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ...common.call_table import Row
from ...common.compiled_calls import address_of
from ..array import Array, Arrays, Gradients, Shape, aligned_empty
from ..ops.operator import Step
from .activation import activation_row, before_activation
from .depthwise_correlation import CORRELATIONS, correlate_planes, correlation_for
from .depthwise_data_gradient import part_rows, strided_data_gradient, turn
from .depthwise_frame import floats
from .depthwise_taps import turned_taps, window_frame, window_places
from .depthwise_weight_gradient import PRODUCTS, SUMS_FLOATS, TOGETHER, weight_gradient
from .plane_lanes import LANES, padded
from .row_kernel import RowKernel, Stage, rooms, shares
from .sums import sum_pixels_row

if TYPE_CHECKING:
    from ..ops.convolution import Convolution

_ARGUMENTS = 32  # floats: room for the arguments of a function


class DepthwiseKernel(RowKernel):
    """Forward and backward of convolution -> activation or clip (or none), for a slice of the batch.

    data (n, C, H, W), weight (C, 1, kh, kw), bias (C,) -> (n, C, OH, OW).
    """

    def __init__(
        self,
        op: Convolution,
        data: Shape,
        out: Shape,
        act_type: str | None = None,
        bounds: tuple[float, float] | None = None,
    ) -> None:
        """`bounds` are those of a clip, which has no backward."""
        windows = op.windows()
        self.act_type, self.stride = act_type, windows.stride
        self.bounds = bounds or (0.0 if act_type == "relu" else -math.inf, math.inf)
        self.frame = window_frame(windows, data[2:], out[2:])
        self.places = window_places(windows, self.frame)
        self.turned = turned_taps(windows, data[2:], out[2:])
        self.kind = correlation_for(windows.kernel, windows.dilate[0], windows.stride[0])
        self.turned_kind = correlation_for(windows.kernel, windows.dilate[0], 1) if self._is_plain() else "any"
        # The last one fills the list up, as the weight's gradient takes TOGETHER taps at a time.
        more = -len(self.places) % TOGETHER
        self.listed = np.concatenate([self.places, np.repeat(self.places[-1:], more)])
        # The weight as the data's gradient reads it, in backward.
        self.turned_weight = aligned_empty((data[1], len(self.turned.order)))

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Write the activated output."""
        rows = [self.forward_row(inputs, outputs[0], 0, outputs[0].shape[1])]
        if self.act_type and self.act_type != "relu":
            rows.append(activation_row(self.act_type, outputs[0], outputs[0]))
        return rows

    def forward_stages(self, step: Step, inputs: Arrays, outputs: Arrays, threads: int) -> list[Stage]:
        """Parts are channels."""
        out, stage = outputs[0], []
        for part in shares(out.shape[1], threads):
            rows = [self.forward_row(inputs, out, part.start, part.stop)]
            if self.act_type and self.act_type != "relu":
                rows += [activation_row(self.act_type, image, image) for image in out[:, part]]
            stage.append(rows)
        return [stage]

    def forward_row(self, inputs: Arrays, out: Array, first: int, last: int) -> Row:
        """What writes the channels [first, last) of the output, within its bounds, which are also those of relu."""
        bias = inputs[2] if len(inputs) > 2 else None
        given = (inputs[0], inputs[1], bias, out, *out.shape[:2], first, last, out.shape[3])
        function = (address_of(CORRELATIONS[self.kind]), self.places, len(self.places), *self.bounds)
        return Row(correlate_planes, (*given, *function, *rooms(floats(self.frame), _ARGUMENTS), *self.frame))

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Write the gradients of data, weight and bias, those that are asked for."""
        grad, rows = before_activation(self.act_type, outputs[0], out_grads[0])
        if len(inputs) > 2 and in_grads[2] is not None:
            rows.append(sum_pixels_row(grad, in_grads[2]))
        if in_grads[1] is not None:
            rows.append(self._weight_row(inputs[0], grad, in_grads[1]))
        if in_grads[0] is not None:
            rows += [self._turn_row(inputs[1]), self._data_row(grad, in_grads[0])]
        return rows

    def _is_plain(self) -> bool:
        """Whether the data's gradient is one correlation."""
        return self.stride == (1, 1)

    def _weight_row(self, data: Array, grad: Array, target: Array) -> Row:
        function = (address_of(PRODUCTS[self.kind]), self.listed, len(self.places))
        room = rooms(floats(self.frame), _ARGUMENTS, max(SUMS_FLOATS, LANES * len(self.listed)))
        return Row(weight_gradient, (data, grad, target, *data.shape[:2], grad.shape[3], *function, *room, *self.frame))

    def _turn_row(self, weight: Array) -> Row:
        channels, used = self.turned_weight.shape
        return Row(turn, (weight, self.turned_weight, self.turned.order, channels, math.prod(weight.shape[1:]), used))

    def _data_row(self, grad: Array, target: Array) -> Row:
        taps, f, extents, wide = self.turned, self.turned.frame, target.shape[:2], target.shape[3]
        function = address_of(CORRELATIONS[self.turned_kind])
        if self._is_plain():
            given = (grad, self.turned_weight, None, target, *extents, 0, extents[1], wide, function, taps.places)
            room = rooms(floats(f), _ARGUMENTS)
            return Row(correlate_planes, (*given, len(taps.places), -math.inf, math.inf, *room, *f))
        part = part_rows(f.band, wide, self.stride[1])
        made = part * self.stride[1] * padded(-(-wide // self.stride[1]))
        given = (grad, self.turned_weight, target, *extents, len(taps.order), *target.shape[2:], *self.stride)
        room = rooms(floats(f), _ARGUMENTS, made)
        return Row(strided_data_gradient, (*given, function, taps.places, taps.counts, *room, part, *f))
