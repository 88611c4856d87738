"""BatchNorm for float32, and relu behind it, by the passes in batch_norm_passes.py.

Arrays are seen as (rows, channels, behind), `behind` being the product of the extents after the channel axis, and
handed to the passes as (rows, channels * behind).
"""

from __future__ import annotations

import numpy as np

from ...common.slices import share
from ..array import Array, Arrays, Gradients
from ..ops.batch_norm import BatchNorm
from ..ops.operator import Step
from . import batch_norm_passes as passes


class BatchNormKernel:
    """BatchNorm, and relu behind it, of one thread's part of the channels.

    data (N, ..., C, ...) with the channels on the operator's axis, gamma, beta and both averages (C,) -> data's shape.
    A forward in training mode keeps mean and deviation of the batch for the backward that follows. If the last forward
    was another one, or there was none, backward computes them from its own inputs, as the plain operator always does.
    """

    writes_over_head = True  # data's gradient may take the place of the output's, see `mapped_runs`

    def __init__(self, op: BatchNorm, channels: int, has_relu: bool = False, part: int = 0, parts: int = 1) -> None:
        self.op, self.channels, self.has_relu = op, channels, has_relu
        self.first, self.last = share(channels, part, parts)
        # In float64, as an average over a large batch has more digits than a float32.
        self.mean, self.var, self.inverse = np.zeros((3, self.last - self.first))  # inverse: 1 / sqrt(var + eps)
        self._kept = False  # whether they are those of the batch of the last forward

    def split(self, parts: int) -> list[BatchNormKernel]:
        """So many kernels that share the channels out among them; all are given the same, whole arrays."""
        return [BatchNormKernel(self.op, self.channels, self.has_relu, part, parts) for part in range(parts)]

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write the normalised, scaled data; while training, move the averages (the last two inputs) in place."""
        data, own = self.op.planes(inputs[0]), slice(self.first, self.last)
        gamma, beta, *averages = (array[own] for array in inputs[1:])
        if self.op.fix_gamma:
            gamma = np.ones_like(gamma)
        is_own = self._kept = self.op.uses_batch(step, data)
        if not is_own:
            self.mean[:], self.var[:] = averages
        out, state = self.op.planes(outputs[0]), (self.mean, self.var, self.inverse)
        where, least = (_rows(data), _rows(out), data.shape[2], self.first), 0.0 if self.has_relu else -np.inf
        passes.forward(*where, is_own, state, gamma, beta, self.op.eps, least)
        if is_own:
            for average, batch in zip(averages, (self.mean, self.var), strict=True):
                average[:] = self.op.momentum * average + (1 - self.op.momentum) * batch
        if self.op.output_mean_var:
            outputs[1][own], outputs[2][own] = self.mean, self.inverse

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the gradients of data, gamma and beta, those that are asked for.

        The formula is that of ops.batch_norm.BatchNorm.backward.
        """
        data, head, own = self.op.planes(inputs[0]), self.op.planes(out_grads[0]), slice(self.first, self.last)
        gamma = np.ones(self.mean.size, np.float32) if self.op.fix_gamma else inputs[1][own]
        grad = None if in_grads[0] is None else _rows(self.op.planes(in_grads[0]))
        is_own, sums = self.op.uses_batch(step, data), np.zeros((2, self.mean.size))
        if not (is_own and self._kept):
            self._renew(data, is_own, [average[own] for average in inputs[3:]])
        factors = (self.mean, self.inverse, gamma, inputs[2][own])
        passes.backward(_rows(data), _rows(head), grad, data.shape[2], self.first, is_own, factors, self.has_relu, sums)
        if in_grads[1] is not None:
            in_grads[1][own] = 0 if self.op.fix_gamma else sums[1]
        if in_grads[2] is not None:
            in_grads[2][own] = sums[0]

    def _renew(self, data: Array, is_own: bool, averages: Arrays) -> None:
        """Compute the statistics as a forward would, of data (rows, channels, behind) if `is_own`."""
        self._kept = is_own
        if is_own:
            passes.moments(_rows(data), data.shape[2], self.first, 0, self.mean.size, self.mean, self.var)
        else:
            self.mean[:], self.var[:] = averages
        with np.errstate(all="ignore"):  # as in the compiled loops, where a deviation of 0 with eps 0 is not reported
            self.inverse[:] = 1 / np.sqrt(self.var + self.op.eps)


def _rows(planes: Array) -> Array:
    """(rows, channels, behind) as (rows, channels * behind): a copy where it has gaps, as an argument may have."""
    rows, channels, behind = planes.shape
    return np.ascontiguousarray(planes).reshape(rows, channels * behind)
