"""What all ways to compute a convolution on a GPU share: bias, activation, and which gradients are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...array import Array, Arrays, Gradients, Shape
from ...ops.operator import Step
from ..device import Device
from .bias_and_activation import ChannelsLastFinish, Finish


def clear(arrays: Gradients) -> None:
    """Write zeros, which are the gradients of an empty batch."""
    for array in arrays:
        if array is not None:
            array.fill(0)


class BaseConvolution:
    """Forward and backward of convolution -> activation.

    data (N, C, ...), weight (F, C / groups, ...), bias (F,) -> (N, F, ...), without gaps: float32 in C order, unless a
    subclass takes data or result with channels last. A gradient has the shape and
    the format of its array.
    """

    def __init__(
        self,
        device: Device,
        op: Any,
        in_shapes: Sequence[Shape],
        out_shapes: Sequence[Shape],
        finish: Finish | ChannelsLastFinish,
    ) -> None:
        """`op` is an ops.convolution.Convolution; `finish` does what comes after the products."""
        self.device, self.op, self._finish = device, op, finish
        self.data, self.weight, self.out = in_shapes[0], in_shapes[1], out_shapes[0]

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write the activated output."""
        out = outputs[0]
        if not out.size:  # a worker's share of a batch may be empty
            return
        self.compute(inputs[0], inputs[1], out)
        self._finish.apply(out, inputs[2] if len(inputs) > 2 else None)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the gradients of data, weight and bias, those that are asked for."""
        if not out_grads[0].size:
            clear(in_grads)
            return
        grad = self._finish.before(outputs[0], out_grads[0])
        if len(inputs) > 2 and in_grads[2] is not None:
            self._finish.bias_gradient(grad, in_grads[2])
        if in_grads[1] is not None:
            self.weight_gradient(inputs[0], grad, in_grads[1])
        if in_grads[0] is not None:
            self.data_gradient(inputs[1], grad, in_grads[0])

    def compute(self, data: Array, weight: Array, out: Array) -> None:
        """Write the convolution without bias and activation. None of the three methods is called for an empty batch."""
        raise NotImplementedError

    def data_gradient(self, weight: Array, grad: Array, target: Array) -> None:
        """Write data's gradient, from that of what `compute` writes."""
        raise NotImplementedError

    def weight_gradient(self, data: Array, grad: Array, target: Array) -> None:
        """Write the weight's gradient, from that of what `compute` writes."""
        raise NotImplementedError
