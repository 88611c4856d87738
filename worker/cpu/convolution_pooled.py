"""Convolution, max-pooling and a monotone activation for planes that are too large to be pooled while in the cache.

The two kernels run one after the other; what is gained is the activation, which is applied to the pooled numbers only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...common.call_table import Row
from ..array import Arrays, Gradients, Shape, aligned_empty
from ..ops.operator import Step
from .activation import activation_row, before_activation
from .convolution_direct import DirectKernel
from .pooling import PoolKernel
from .row_kernel import RowKernel
from .slice_tree import SliceTree

if TYPE_CHECKING:
    from ..ops.convolution import Convolution
    from ..ops.pooling import Pooling


class PooledConvolutionKernel(RowKernel):
    """Forward and backward of convolution -> max-pooling -> activation, which equals activation -> max-pooling.

    data (n, C, H, W), weight (F, C, kh, kw), bias (F,) -> (n, F, PH, PW).
    """

    joins_slices = True

    def __init__(self, op: Convolution, pooling: Pooling, data: Shape, act_type: str | None) -> None:
        plane = op.infer_shape([data, *[None] * (len(op.arguments()) - 1)], [None])[1][0]
        pooled = pooling.infer_shape([plane], [None])[1][0]
        assert plane is not None and pooled is not None
        self.act_type = act_type
        self.convolution = DirectKernel(op, data, plane)
        self.pooling = PoolKernel(pooling, plane, pooled)
        self.convolved = aligned_empty(plane)

    def join(self, tree: SliceTree) -> None:
        """Compute several slices at once from now on."""
        self.convolution.join(tree)

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Write the pooled, activated output."""
        rows = self.convolution.forward_rows(step, inputs, [self.convolved])
        rows += self.pooling.forward_rows(step, [self.convolved], outputs)
        return [*rows, activation_row(self.act_type, outputs[0], outputs[0])] if self.act_type else rows

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Write the gradients of data, weight and bias, those that are asked for."""
        grad, rows = before_activation(self.act_type, outputs[0], out_grads[0])
        # PoolKernel goes by its winners and does not read the convolved numbers: their array takes their gradient.
        rows += self.pooling.backward_rows(step, [grad], [self.convolved], outputs, [self.convolved])
        return rows + self.convolution.backward_rows(step, [self.convolved], inputs, [], in_grads)
