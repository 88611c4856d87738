"""BatchNorm for float32, and relu behind it, by the passes in batch_norm_passes.py.

Arrays are seen as (rows, channels, behind), `behind` being the product of the extents after the channel axis.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.call_table import Row
from ..array import Array, Arrays, Gradients
from ..ops.batch_norm import BatchNorm
from ..ops.operator import Step
from . import batch_norm_rows as compiled
from .row_kernel import RowKernel, Stage, shares


class BatchNormKernel(RowKernel):
    """BatchNorm, and relu behind it; its parts are ranges of channels.

    data (N, ..., C, ...) with the channels on the operator's axis, gamma, beta and both averages (C,) -> data's shape.
    A forward in training mode keeps mean and deviation of the batch for the backward that follows. If the last forward
    was another one, or there was none, backward computes them from its own inputs, as the plain operator always does.
    """

    writes_over_head = True  # data's gradient may take the place of the output's, see `mapped_runs`

    def __init__(self, op: BatchNorm, channels: int, has_relu: bool = False) -> None:
        self.op, self.has_relu, self._all = op, has_relu, slice(0, channels)
        # Mean, variance and 1 / sqrt(variance + eps), in float64: an average over a large batch has more digits than a
        # float32 has.
        self._statistics = np.zeros((3, channels))
        self._kept = np.zeros(1, np.int64)  # whether they are those of the batch of the last forward
        self._ones = np.ones(channels, np.float32)

    def forward_rows(self, step: Step, inputs: Arrays, outputs: Arrays) -> list[Row]:
        """Write the normalised, scaled data; while training, move the averages (the last two inputs) in place."""
        return [self._forward(step, inputs, outputs, self._all)]

    def forward_parts(self, step: Step, inputs: Arrays, outputs: Arrays, threads: int) -> Stage:
        """Parts are ranges of channels."""
        return [[self._forward(step, inputs, outputs, part)] for part in shares(self._all.stop, threads)]

    def backward_rows(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients
    ) -> list[Row]:
        """Write the gradients of data, gamma and beta, those that are asked for.

        The formula is that of ops.batch_norm.BatchNorm.backward.
        """
        return [self._backward(step, out_grads[0], inputs, in_grads, self._all)]

    def backward_parts(
        self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients, threads: int
    ) -> Stage:
        """Parts are ranges of channels."""
        parts = shares(self._all.stop, threads)
        return [[self._backward(step, out_grads[0], inputs, in_grads, part)] for part in parts]

    def _forward(self, step: Step, inputs: Arrays, outputs: Arrays, part: slice) -> Row:
        extra = outputs[1:] if self.op.output_mean_var else (None, None)
        least = 0.0 if self.has_relu else -np.inf
        given = (*self._common(step, inputs, part), outputs[0], *extra, float(self.op.momentum), least)
        return Row(compiled.forward, given)

    def _backward(self, step: Step, head: Array, inputs: Arrays, in_grads: Gradients, part: slice) -> Row:
        given = (*self._common(step, inputs, part), head, *in_grads[:3], self.has_relu, self.op.fix_gamma)
        return Row(compiled.backward, given)

    def _common(self, step: Step, inputs: Arrays, part: slice) -> tuple[Any, ...]:
        """The arguments that both rows begin with."""
        data, gamma, *others = inputs
        # Without it the moving averages are used, as they always are for an empty batch.
        training = None if self.op.use_global_stats or data.size == 0 else step.training
        extents = (*self.op.planes(data).shape, part.start, part.stop)
        factors = (self._ones if self.op.fix_gamma else gamma, *others)
        return (*extents, self._statistics, self._kept, training, float(self.op.eps), data, *factors)
