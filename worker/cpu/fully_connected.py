"""FullyConnected with the bias and the activation behind it, its products on register tiles of our own, for float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...common.call_table import Room, Row
from ...common.compiled_calls import integer, line, matrix
from ...common.jit import kernel
from ..array import Arrays, Gradients, aligned_empty, aligned_zeros
from ..ops.operator import Step
from .elementwise import activation_row, slope_row
from .plane_lanes import LANES, padded
from .row_kernel import RowKernel
from .tile_product import LOWEST, ROOM, product

if TYPE_CHECKING:
    from ..ops.fully_connected import FullyConnected


class FullyConnectedKernel(RowKernel):
    """Forward and backward of FullyConnected -> activation (or none).

    data (N, ...), weight (F, D), bias (F,) -> (N, F) or (..., F), as the operator says; D is the length of a data row.
    """

    def __init__(self, op: FullyConnected, act_type: str | None) -> None:
        self.op, self.act_type = op, act_type

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Write f(x W^T + b)."""
        bias = None if self.op.no_bias else inputs[2]
        first = aligned_zeros((padded(self.op.num_hidden),))  # what the sums of a row begin with, to whole panels
        is_relu = self.act_type == "relu"
        shape = (outputs[0].size // self.op.num_hidden, *inputs[1].shape)
        rows = [Row(_forward, (*shape, inputs[0], inputs[1], bias, first, outputs[0], is_relu, Room(ROOM)))]
        return rows if is_relu or not self.act_type else [*rows, activation_row(self.act_type, outputs[0], outputs[0])]

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Write the gradients of data, weight and bias, those that are asked for."""
        grad, rows = out_grads[0], []
        if self.act_type:
            grad = aligned_empty(grad.shape)
            rows.append(slope_row(self.act_type, outputs[0], out_grads[0], grad))
        shape = (grad.size // self.op.num_hidden, *inputs[1].shape)
        bias = None if self.op.no_bias else in_grads[2]
        gradients = (in_grads[0], in_grads[1], bias)
        return [*rows, Row(_backward, (*shape, inputs[0], inputs[1], grad, *gradients, Room(ROOM)))]


@kernel
def _forward(at: int) -> int:
    """out (N, F) = max(b + x W^T, least), for data (N, D) and weight (F, D)."""
    count, filters, depth = integer(at, 0), integer(at, 1), integer(at, 2)
    x, w, b, first, y = integer(at, 3), integer(at, 4), integer(at, 5), integer(at, 6), integer(at, 7)
    if b:
        line(first, filters)[:] = line(b, filters)
    least, shape = np.float32(0) if integer(at, 8) else LOWEST, (count, filters, depth)
    product(x, (depth, 1), w, (1, depth), first, (0, LANES), y, (filters, LANES), shape, least, integer(at, 9))
    return 0


@kernel
def _backward(at: int) -> int:
    """dW (F, D) = dy^T x, db (F,) the sum of dy over rows, and dx (N, D) = dy W: those whose address is not 0."""
    count, filters, depth = integer(at, 0), integer(at, 1), integer(at, 2)
    x, w, dy = integer(at, 3), integer(at, 4), integer(at, 5)
    dx, dw, db, room = integer(at, 6), integer(at, 7), integer(at, 8), integer(at, 9)
    if dw:
        product(dy, (1, filters), x, (depth, 1), 0, (0, 0), dw, (depth, LANES), (filters, depth, count), LOWEST, room)
    if db:
        total, rows = line(db, filters), matrix(dy, count, filters)
        total[:] = 0
        for i in range(count):
            for j in range(filters):
                total[j] += rows[i, j]
    if dx:
        product(dy, (filters, 1), w, (depth, 1), 0, (0, 0), dx, (depth, LANES), (count, depth, filters), LOWEST, room)
    return 0
