"""FullyConnected with the bias and the activation behind it, its products on register tiles of our own, for float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...common.jit import kernel
from ..array import Array, Arrays, Gradients, aligned_zeros
from ..ops.operator import Step
from .elementwise import activate, multiply_by_slope
from .plane_lanes import LANES, padded
from .scratch import scratch
from .tile_product import LOWEST, ROOM, product

if TYPE_CHECKING:
    from ..ops.fully_connected import FullyConnected


class FullyConnectedKernel:
    """Forward and backward of FullyConnected -> activation (or none).

    data (N, ...), weight (F, D), bias (F,) -> (N, F) or (..., F), as the operator says; D is the length of a data row.
    """

    def __init__(self, op: FullyConnected, act_type: str | None) -> None:
        self.op, self.act_type = op, act_type
        self.first = aligned_zeros((padded(op.num_hidden),))  # what the sums of a row begin with: the bias, or zeros
        self.least = np.float32(0) if act_type == "relu" else LOWEST

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write f(x W^T + b)."""
        weight = inputs[1]
        if not self.op.no_bias:
            self.first[: len(weight)] = inputs[2]
        data, out = inputs[0].reshape(-1, weight.shape[1]), outputs[0].reshape(-1, len(weight))
        _outputs(data, weight, self.first, out, self.least, scratch("product", (ROOM,)))
        if self.act_type and self.act_type != "relu":
            activate(self.act_type, out)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the gradients of data, weight and bias, those that are asked for."""
        grad, weight = out_grads[0], inputs[1]
        if self.act_type:
            grad = multiply_by_slope(self.act_type, outputs[0], grad, scratch("slope", grad.shape))
        grad, data = grad.reshape(-1, len(weight)), inputs[0].reshape(-1, weight.shape[1])
        room = scratch("product", (ROOM,))
        if in_grads[1] is not None:
            _weight_gradient(grad, data, in_grads[1], room)
        if not self.op.no_bias and in_grads[2] is not None:
            np.add.reduce(grad, axis=0, out=in_grads[2])
        if in_grads[0] is not None:
            _data_gradient(grad, weight, in_grads[0].reshape(data.shape), room)


@kernel
def _outputs(data: Array, weight: Array, first: Array, out: Array, least: np.float32, room: Array) -> None:
    """out (N, F) = max(b + x W^T, least), for data (N, D), weight (F, D), and `first`, the bias to whole panels."""
    (count, depth), filters = data.shape, len(weight)
    x, w, b, y = data.ctypes.data, weight.ctypes.data, first.ctypes.data, out.ctypes.data
    shape = (count, filters, depth)
    product(x, (depth, 1), w, (1, depth), b, (0, LANES), y, (filters, LANES), shape, least, room.ctypes.data)


@kernel
def _weight_gradient(grad: Array, data: Array, out: Array, room: Array) -> None:
    """out (F, D) = dy^T x, for grad (N, F) and data (N, D)."""
    (count, depth), filters = data.shape, len(out)
    dy, x, dw = grad.ctypes.data, data.ctypes.data, out.ctypes.data
    shape = (filters, depth, count)
    product(dy, (1, filters), x, (depth, 1), 0, (0, 0), dw, (depth, LANES), shape, LOWEST, room.ctypes.data)


@kernel
def _data_gradient(grad: Array, weight: Array, out: Array, room: Array) -> None:
    """out (N, D) = dy W, for grad (N, F) and weight (F, D)."""
    (count, depth), filters = out.shape, len(weight)
    dy, w, dx = grad.ctypes.data, weight.ctypes.data, out.ctypes.data
    shape = (count, depth, filters)
    product(dy, (filters, 1), w, (depth, 1), 0, (0, 0), dx, (depth, LANES), shape, LOWEST, room.ctypes.data)
