"""What all ways to compute a convolution on a GPU have in common: bias, activation, which gradients are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...array import Array, Shape
from ...ops.operator import Step
from ..arena import Arena, Claim
from ..device import Device
from .activation import activate_with_bias, slope_times
from .bias import bias_gradient, bias_scratch


class ChannelBias:
    """The bias of arrays (N, F, ...) without gaps, and its gradient."""

    def __init__(self, device: Device, shape: Shape) -> None:
        self._device, self._inner = device, int(np.prod(shape[2:]))
        self._scratch: Array | None = None

    def add(self, out: Array, bias: Array | None, act_type: str | None = None) -> None:
        """out = f(out + bias) in place."""
        activate_with_bias(self._device, out, bias, act_type, self._inner)

    def gradient(self, grad: Array, target: Array) -> None:
        """target (F,) = the sums of grad over all other axes."""
        if self._scratch is None:
            self._scratch = bias_scratch(self._device, grad, target.size, self._inner)
        bias_gradient(self._device, grad, target, self._scratch, self._inner)


def clear(arrays: Sequence[Array | None]) -> None:
    """Write zeros, which are the gradients of an empty batch."""
    for array in arrays:
        if array is not None:
            array.fill(0)


class BaseConvolution:
    """Forward and backward of convolution -> activation.

    data (N, C, ...), weight (F, C / groups, ...), bias (F,) -> (N, F, ...), all float32 and without gaps.
    """

    def __init__(
        self, device: Device, op: Any, in_shapes: Sequence[Shape], out_shapes: Sequence[Shape], act_type: str | None
    ) -> None:
        """`op` is an ops.convolution.Convolution; act_type as Activation has it, None for none."""
        self.device, self.op, self.act_type = device, op, act_type
        self.data, self.weight, self.out = in_shapes[0], in_shapes[1], out_shapes[0]
        self._bias = ChannelBias(device, self.out)
        self._slopes = Claim(Arena.of(device, "slopes"), [4 * int(np.prod(self.out))]) if act_type else None

    def forward(self, step: Step, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Write the activated output."""
        out = outputs[0]
        if not out.size:
            return
        self.compute(inputs[0], inputs[1], out)
        self._bias.add(out, inputs[2] if len(inputs) > 2 else None, self.act_type)

    def backward(
        self,
        step: Step,
        out_grads: Sequence[Array],
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        in_grads: Sequence[Array | None],
    ) -> None:
        """Write the gradients of data, weight and bias, those that are asked for."""
        if not out_grads[0].size:
            clear(in_grads)
            return
        grad = self._before_activation(outputs[0], out_grads[0])
        if len(inputs) > 2 and in_grads[2] is not None:
            self._bias.gradient(grad, in_grads[2])
        if in_grads[1] is not None:
            self.weight_gradient(inputs[0], grad, in_grads[1])
        if in_grads[0] is not None:
            self.data_gradient(inputs[1], grad, in_grads[0])

    def _before_activation(self, out: Array, grad: Array) -> Array:
        if self._slopes is None or self.act_type is None:
            return grad
        target = self._slopes.parts()[0].view(np.float32).reshape(grad.shape)
        slope_times(self.device, self.act_type, out, grad, target)
        return target

    def compute(self, data: Array, weight: Array, out: Array) -> None:
        """Write the convolution without bias and activation. None of the three methods is called for an empty batch."""
        raise NotImplementedError

    def data_gradient(self, weight: Array, grad: Array, target: Array) -> None:
        """Write data's gradient, from that of what `compute` writes."""
        raise NotImplementedError

    def weight_gradient(self, data: Array, grad: Array, target: Array) -> None:
        """Write the weight's gradient, from that of what `compute` writes."""
        raise NotImplementedError
