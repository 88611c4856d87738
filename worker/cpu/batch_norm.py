"""BatchNorm for float32, block by block, so that the second pass over a block finds it in the cache.

A block is as many neighbouring channels as fit into `WIDTH` positions of one row, at least one. Each position has a sum
of its own until the last row has been read: without a chain of additions the inner loop can be vectorised, and which
channels share a block or a thread does not change a bit of the result.

Arrays are seen as (rows, channels, behind), `behind` being the product of the extents after the channel axis, and
handed to the compiled loops as (rows, channels * behind).
"""

from __future__ import annotations

import numpy as np

from ...common.jit import kernel
from ...common.slices import share
from ..array import Array, Arrays, Gradients
from ..ops.batch_norm import BatchNorm
from ..ops.operator import Step

# Positions. Three sums in float64 and four factors in float32 for each take 10 KiB, which the first-level cache holds.
WIDTH = 256


class BatchNormKernel:
    """One thread's share of the channels of a call.

    data (N, ..., C, ...) with the channels on the operator's axis, gamma, beta and both averages (C,) -> data's shape.
    A forward in training mode keeps mean and deviation of the batch for the backward that follows. If the last forward
    was another one, or there was none, backward computes them from its own inputs, as the plain operator always does.
    """

    def __init__(self, op: BatchNorm, channels: int, lane: int = 0, lanes: int = 1) -> None:
        self.op, self.channels = op, channels
        self.first, self.last = share(channels, lane, lanes)
        # In float64, as an average over a large batch has more digits than a float32.
        self.mean, self.var, self.inverse = np.zeros((3, self.last - self.first))  # inverse: 1 / sqrt(var + eps)
        self._kept = False  # whether they are those of the batch of the last forward

    def split(self, lanes: int) -> list[BatchNormKernel]:
        """`lanes` kernels that share the channels out among them; all are given the same, whole arrays."""
        return [BatchNormKernel(self.op, self.channels, lane, lanes) for lane in range(lanes)]

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
        _forward(_rows(data), _rows(out), data.shape[2], self.first, is_own, state, gamma, beta, self.op.eps)
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
        state = (self.mean, self.inverse)
        _backward(_rows(data), _rows(head), grad, data.shape[2], self.first, is_own, state, gamma, sums)
        if in_grads[1] is not None:
            in_grads[1][own] = 0 if self.op.fix_gamma else sums[1]
        if in_grads[2] is not None:
            in_grads[2][own] = sums[0]

    def _renew(self, data: Array, is_own: bool, averages: Arrays) -> None:
        """Compute the statistics as a forward would, of data (rows, channels, behind) if `is_own`."""
        self._kept = is_own
        if is_own:
            _batch_moments(_rows(data), data.shape[2], self.first, self.mean, self.var)
        else:
            self.mean[:], self.var[:] = averages
        with np.errstate(all="ignore"):  # as in the compiled loops, where a deviation of 0 with eps 0 is not reported
            self.inverse[:] = 1 / np.sqrt(self.var + self.op.eps)


def _batch_moments(data: Array, behind: int, first: int, mean: Array, var: Array) -> None:
    """Mean and variance of all channels from `first` on, block by block as in `_forward` and so with its bits."""
    sums, block = np.empty((3, WIDTH)), max(1, WIDTH // behind)
    for start in range(0, mean.size, block):
        end = min(start + block, mean.size)
        columns = (first + start) * behind, (first + end) * behind
        _moments(data, *columns, behind, sums, mean[start:end], var[start:end])


def _rows(planes: Array) -> Array:
    """(rows, channels, behind) as (rows, channels * behind), sharing the memory."""
    rows, channels, behind = planes.shape
    return planes.reshape(rows, channels * behind)


@kernel
def _forward(
    data: Array,
    out: Array,
    behind: int,
    first: int,
    is_own: bool,
    state: tuple[Array, Array, Array],
    gamma: Array,
    beta: Array,
    eps: float,
) -> None:
    """Write the output of all channels from `first` on, and their statistics if `is_own`.

    The output is (x - centre) * scale + shift in single precision. `centre` is the float32 nearest to the mean, and
    what rounding took from the mean goes into `shift`: so a mean that is large beside the deviation costs no digits.
    """
    mean, var, inverse = state
    # Either several channels share a block, which then is not wider than WIDTH, or one channel fills it, and the same
    # factors hold at every position. So factors[:, k] fit each stretch of WIDTH columns.
    sums, factors = np.empty((3, WIDTH)), np.empty((3, WIDTH), np.float32)
    start = 0
    while start < mean.size and data.size > 0:
        block = min(max(1, WIDTH // behind), mean.size - start)  # channels, at least one, however long it is
        low, high = (first + start) * behind, (first + start + block) * behind
        if is_own:
            _moments(data, low, high, behind, sums, mean[start : start + block], var[start : start + block])
        for k in range(min(WIDTH, high - low)):
            c = start + k // behind
            inverse[c] = 1 / np.sqrt(var[c] + eps)
            scale = gamma[c] * inverse[c]
            factors[0, k] = mean[c]
            factors[1, k] = scale
            factors[2, k] = beta[c] - (mean[c] - np.float64(factors[0, k])) * scale
        for i in range(len(data)):
            for j in range(low, high, WIDTH):
                end = min(j + WIDTH, high)
                _scale(data[i, j:end], out[i, j:end], factors[0], factors[1], factors[2])
        start += block


@kernel
def _moments(data: Array, low: int, high: int, behind: int, sums: Array, mean: Array, var: Array) -> None:
    """Mean and (biased) variance of the channels of a block, the columns [low, high) of data.

    One pass over the data adds up d and d^2 in double precision, d being the distance from the channel's first element.
    Around 0 instead, E[x^2] - E[x]^2 would cancel where the mean is large; a constant channel gets exactly 0.
    """
    width = min(WIDTH, high - low)
    for k in range(width):
        sums[0, k] = data[0, low + k // behind * behind]
        sums[1, k] = sums[2, k] = 0
    for i in range(len(data)):
        for j in range(low, high, WIDTH):
            _add_moments(data[i, j : min(j + WIDTH, high)], sums[0], sums[1], sums[2])
    count = len(data) * behind
    # Only now are positions added up, in their order: the part of a channel's sums that is a chain of additions.
    for c in range(mean.size):
        left, right = c * behind, min(width, (c + 1) * behind)
        distance = sums[1, left:right].sum() / count
        mean[c] = sums[0, left] + distance
        spread = sums[2, left:right].sum() / count - distance * distance
        var[c] = 0.0 if spread < 0 else spread  # rounding may take it below 0; a NaN stays NaN


@kernel
def _add_moments(part: Array, pivot: Array, sums: Array, squares: Array) -> None:
    for k in range(part.size):
        distance = np.float64(part[k]) - pivot[k]
        sums[k] += distance
        squares[k] += distance * distance


@kernel
def _scale(part: Array, out: Array, centre: Array, scale: Array, shift: Array) -> None:
    # The difference first: x * scale + (shift - centre * scale) would cancel where the mean is large.
    for k in range(part.size):
        out[k] = (part[k] - centre[k]) * scale[k] + shift[k]


@kernel
def _backward(
    data: Array,
    head: Array,
    grad: Array | None,
    behind: int,
    first: int,
    is_own: bool,
    state: tuple[Array, Array],
    gamma: Array,
    totals: Array,
) -> None:
    """For all channels from `first` on write `totals` (2, channels), the sums of d and of d h, and data's gradient.

    d is the head gradient, h = (x - mean) * inverse the normalised data, n the elements of a channel. The gradient
    gamma * inverse * (d - sum(d) / n - h * sum(d h) / n) is computed as d * scale - (x - centre) * slope - shift.
    """
    mean, inverse = state
    sums, factors = np.empty((3, WIDTH)), np.empty((4, WIDTH), np.float32)
    start = 0
    while start < mean.size and data.size > 0:
        block = min(max(1, WIDTH // behind), mean.size - start)
        low, high = (first + start) * behind, (first + start + block) * behind
        for k in range(min(WIDTH, high - low)):
            sums[0, k] = mean[start + k // behind]
        _head_sums(data, head, low, high, behind, sums, totals[:, start : start + block])
        for c in range(start, start + block):
            totals[1, c] *= inverse[c]  # once per channel, rather than once per element of h
        if grad is not None:
            for k in range(min(WIDTH, high - low)):
                c = start + k // behind
                # Moving averages do not depend on the data, so no gradient passes through them.
                share_of_mean = 1 / (len(data) * behind) if is_own else 0.0
                scale = gamma[c] * inverse[c]
                slope = scale * inverse[c] * totals[1, c] * share_of_mean
                factors[0, k] = mean[c]
                factors[1, k] = scale
                factors[2, k] = slope
                factors[3, k] = scale * totals[0, c] * share_of_mean - (mean[c] - np.float64(factors[0, k])) * slope
            for i in range(len(data)):
                for j in range(low, high, WIDTH):
                    end = min(j + WIDTH, high)
                    _combine(data[i, j:end], head[i, j:end], grad[i, j:end], factors)
        start += block


@kernel
def _head_sums(data: Array, head: Array, low: int, high: int, behind: int, sums: Array, totals: Array) -> None:
    """totals (2, channels of the block): the sums of head and of head * (data - mean); `sums[0]` holds the means."""
    width = min(WIDTH, high - low)
    sums[1, :width] = 0
    sums[2, :width] = 0
    for i in range(len(data)):
        for j in range(low, high, WIDTH):
            end = min(j + WIDTH, high)
            _add_products(data[i, j:end], head[i, j:end], sums[0], sums[1], sums[2])
    for c in range(totals.shape[1]):
        left, right = c * behind, min(width, (c + 1) * behind)
        totals[0, c] = sums[1, left:right].sum()
        totals[1, c] = sums[2, left:right].sum()


@kernel
def _add_products(part: Array, head: Array, centre: Array, sums: Array, products: Array) -> None:
    for k in range(part.size):
        value = np.float64(head[k])
        sums[k] += value
        products[k] += value * (np.float64(part[k]) - centre[k])


@kernel
def _combine(part: Array, head: Array, grad: Array, factors: Array) -> None:
    centre, scale, slope, shift = factors[0], factors[1], factors[2], factors[3]
    for k in range(part.size):
        grad[k] = head[k] * scale[k] - (part[k] - centre[k]) * slope[k] - shift[k]
