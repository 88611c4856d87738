"""FullyConnected with the bias and the activation behind it, its products on register tiles of our own, for float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...common.call_table import Row
from ...common.compiled_calls import integer, line, matrix
from ...common.jit import kernel
from ..array import Array, Arrays, Gradients, aligned_zeros
from ..ops.operator import Step
from .activation import activation_row, before_activation
from .copying import copy_row
from .matmul import product_row
from .plane_lanes import LANES, padded
from .row_kernel import RowKernel, Stage, shares
from .slice_product import slice_product_rows
from .tree_sums import leaf_at, level_place, merge

if TYPE_CHECKING:
    from ..ops.fully_connected import FullyConnected


class FullyConnectedKernel(RowKernel):
    """Forward and backward of FullyConnected -> activation (or none).

    data (N, ...), weight (F, D), bias (F,) -> (N, F) or (..., F), as the operator says; D is the length of a data row.
    """

    joins_slices = True

    def __init__(self, op: FullyConnected, act_type: str | None) -> None:
        self.op, self.act_type = op, act_type

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Write f(x W^T + b)."""
        return self._forward(inputs, outputs[0], slice(None))

    def forward_stages(self, step: Step, inputs: Arrays, outputs: Arrays, threads: int) -> list[Stage]:
        """Parts are columns of the output."""
        return [[self._forward(inputs, outputs[0], part) for part in shares(len(inputs[1]), threads, LANES)]]

    def _forward(self, inputs: Arrays, output: Array, columns: slice) -> list[Row]:
        weight, out = inputs[1][columns], output.reshape(-1, self.op.num_hidden)[:, columns]
        is_relu, rows, first = self.act_type == "relu", [], None
        if not self.op.no_bias:
            first = aligned_zeros((padded(len(weight)),))  # the bias, to whole panels
            rows.append(copy_row(inputs[2][columns], first))
        data = inputs[0].reshape(-1, weight.shape[1])
        rows.append(product_row(data, weight.T, out, first, is_relu))
        if self.act_type and not is_relu:
            whole = [out] if out.flags.c_contiguous else out  # of a part, row by row
            rows += [activation_row(self.act_type, one, one) for one in whole]
        return rows

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Write the gradients of data, weight and bias, those that are asked for."""
        weight = inputs[1]
        grad, rows = before_activation(self.act_type, outputs[0], out_grads[0])
        grad, data = grad.reshape(-1, len(weight)), inputs[0].reshape(-1, weight.shape[1])
        tree = self.tree_over(len(grad))
        if in_grads[1] is not None:
            rows += slice_product_rows(grad, data, in_grads[1], tree)
        if not self.op.no_bias and in_grads[2] is not None:
            rows.append(Row(_sum_rows, (grad, in_grads[2], grad.shape[1], *tree.arguments(in_grads[2]))))
        if in_grads[0] is not None:
            rows.append(product_row(grad, weight, in_grads[0].reshape(data.shape)))
        return rows


@kernel
def _sum_rows(at: int) -> int:
    """db (F,) = the sum of dy (N, F) over the rows of each slice, one after the other, and of slices as a tree."""
    grad, total, filters, room = integer(at, 0), integer(at, 1), integer(at, 2), integer(at, 5)
    for number in range(integer(at, 4)):
        begin, end, level, merges = leaf_at(integer(at, 3), number)
        made = line(level_place(total, room, filters, level), filters)
        rows = matrix(grad + 4 * begin * filters, end - begin, filters)
        made[:] = 0
        for i in range(end - begin):
            for j in range(filters):
                made[j] += rows[i, j]
        merge(total, room, filters, level, merges)
    return 0
