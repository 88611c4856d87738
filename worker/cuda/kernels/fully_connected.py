"""FullyConnected: cuBLAS multiplies, one kernel adds the bias and applies the activation behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...array import Array, Arrays, Gradients
from ...ops.operator import Step
from ..device import Device
from ..matrix_products import Product
from .activation import activate_with_bias, slope_times
from .bias import bias_gradient, bias_scratch

if TYPE_CHECKING:
    from ...ops.fully_connected import FullyConnected


class FullyConnectedKernel:
    """Forward and backward of FullyConnected -> activation (or none), for float32 in C order.

    data (N, ...), weight (F, D), bias (F,) -> (N, F) or (..., F), as the operator says; D is the length of a data row.
    precision: how operands are rounded, see matrix_products.Product. Raises DeviceError if cuBLAS fails.
    """

    def __init__(
        self, device: Device, op: FullyConnected, act_type: str | None = None, precision: str = "float32"
    ) -> None:
        self.device, self.op, self.act_type = device, op, act_type
        self._product = Product(device, precision)
        # Made when first needed, and kept for captured graphs: predictions need neither.
        self._slope: Array | None = None
        self._parts: Array | None = None

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write f(x W^T + b)."""
        data, weight = inputs[0], inputs[1]
        out = outputs[0].reshape(-1, self.op.num_hidden)
        self._product(data.reshape(len(out), weight.shape[1]), weight.T, out)
        activate_with_bias(self.device, out, None if self.op.no_bias else inputs[2], self.act_type)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write dx = g W, dW = g^T x and db = the sum of g over rows, those that are asked for; g is dy f'."""
        data, weight = inputs[0], inputs[1]
        grad = self._before_activation(out_grads[0], outputs[0]).reshape(-1, self.op.num_hidden)
        flat = len(grad), weight.shape[1]
        if in_grads[1] is not None:
            # A transpose is a view: cuBLAS reads it as it lies.
            self._product(grad.T, data.reshape(flat), in_grads[1])
        if not self.op.no_bias and in_grads[2] is not None:
            if self._parts is None:
                self._parts = bias_scratch(self.device, grad, self.op.num_hidden)
            bias_gradient(self.device, grad, in_grads[2], self._parts)
        if in_grads[0] is not None:
            self._product(grad, weight, in_grads[0].reshape(flat))

    def _before_activation(self, grad: Array, out: Array) -> Array:
        """The gradient of what stands before the activation, from that of its result `out`."""
        if not self.act_type:
            return grad
        if self._slope is None:
            self._slope = self.device.empty(grad.shape)
        slope_times(self.device, self.act_type, out, grad, self._slope)
        return self._slope
