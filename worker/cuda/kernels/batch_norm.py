"""BatchNorm on a GPU, by kernels of our own (source/*batch_norm.cu). The same inputs always give the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...array import Array, Arrays, Gradients, Shape
from ...ops.kernel import Kernel
from ...ops.operator import Step
from ..device import Device
from ..scratch_memory import Arena, Claim
from .batch_norm_walks import ChannelsLastWalk, PlaneWalk


def batch_norm_kernel(
    device: Device, op: Any, shape: Shape, act_type: str | None = None, last: str | None = None
) -> Kernel:
    """The kernel for a BatchNorm whose data has that shape, and the activation behind it.

    `last`: the math (see channel_packs.py) of arrays with channels last; None for float32 in C order. This would be the
    place to choose cuDNN's BatchNorm, should it prove faster; but cuDNN moves the averages by the unbiased variance,
    and knows neither output_mean_var nor other axes than 1.
    """
    return BatchNormKernel(device, op, shape, act_type, last)


class BatchNormKernel:
    """The results of ops.batch_norm.BatchNorm, in float32 with sums in double precision, and an activation of them.

    data (N, ..., C, ...) with the channels on the operator's axis, gamma, beta and both averages (C,) -> data's shape.
    A forward in training mode keeps mean and variance of the batch for the backward that follows. If the last forward
    was another one, or there was none, backward computes them from its own inputs, as the plain operator always does.
    A recorded step replays what was decided when it was recorded. What stood before the activation is computed again in
    backward, which costs less than to read it.
    """

    def __init__(
        self, device: Device, op: Any, shape: Shape, act_type: str | None = None, last: str | None = None
    ) -> None:
        """`shape` is that of data. To be made while the device is active."""
        self.device, self.op, axis = device, op, op.channel_axis(shape)
        self._channels, self._elements = shape[axis], _size(shape[:axis]) * _size(shape[axis + 1 :])
        self._walk = (
            ChannelsLastWalk(device, self._elements, shape[axis], act_type, last)
            if last
            else PlaneWalk(device, _size(shape[:axis]), shape[axis], _size(shape[axis + 1 :]), act_type)
        )
        # Mean, variance and 1 / sqrt(variance + eps), see source/batch_norm.cuh: of the batch, and of the averages. Two
        # arrays, as a recorded backward reads the former, whatever predictions ran since its forward.
        self._batch = device.empty((3, self._channels), np.float64)
        self._moved = device.empty((3, self._channels), np.float64)
        self._kept = False  # whether _batch is of the data of the last forward
        # Bytes, in the order of `_memory`: doubles for both partial and both whole sums, floats for the gradients.
        sizes = [16 * self._walk.parts * self._channels, 16 * self._channels, 4 * self._channels, 4 * self._channels]
        self._scratch = Claim(Arena.of(device, "batch_norm"), sizes)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write the normalised, scaled, activated data; while training, move the averages in place."""
        data, gamma, beta, *averages = inputs
        self._kept = self.op.uses_batch(step, data)
        statistics = self._of_batch(data, averages, moves=True) if self._kept else self._of_averages(averages)
        if self.op.output_mean_var:
            self._per_channel("give_statistics", statistics, self._count(), outputs[1], outputs[2])
        if data.size:  # of an empty share of the batch there is nothing to write
            args = (self._walk.flat(data), statistics, *self._affine(gamma, beta), self._walk.flat(outputs[0]))
            self._walk.over("normalise", args)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the gradients of data, gamma and beta, those that are asked for."""
        data, gamma, beta, *averages = inputs
        of_batch, head, affine = self.op.uses_batch(step, data), out_grads[0], self._affine(gamma, beta)
        if of_batch:
            statistics = self._batch if self._kept else self._of_batch(data, averages, moves=False)
        else:
            statistics = self._of_averages(averages)
        partial, sums, gamma_grad, beta_grad = self._memory()
        self._walk.sum("head_sums", head, partial, self._walk.flat(data), statistics, *affine)
        # The kernel always writes both; what nobody asks for goes to scratch memory.
        grads = [
            given if given is not None else own
            for given, own in zip(in_grads[1:3], (gamma_grad, beta_grad), strict=True)
        ]
        parts = partial, np.int32(self._walk.parts), self._count()
        self._from_parts("scale_gradients", *parts, np.int32(self.op.fix_gamma), sums, *grads)
        if in_grads[0] is not None and data.size:
            # 0: moving averages do not depend on the data, so no gradient passes through them.
            share = np.float64(1 / self._elements if of_batch else 0)
            head, data, target = (self._walk.flat(array) for array in (head, data, in_grads[0]))
            self._walk.over("data_gradient", (head, data, statistics, sums, share, *affine, target))

    def _of_batch(self, data: Array, averages: Arrays, moves: bool) -> Array:
        """Statistics (3, C) of the batch; `moves`: whether the averages are moved, as forward does and backward not."""
        partial, op = self._memory()[0], self.op
        self._walk.sum("data_sums", data, partial)
        numbers = np.float64(self._elements), np.float64(op.eps), np.float64(op.momentum), np.int32(moves)
        args = (partial, np.int32(self._walk.parts), self._count(), *numbers, *averages, self._batch)
        self._from_parts("batch_statistics", *args)
        return self._batch

    def _of_averages(self, averages: Arrays) -> Array:
        """Statistics (3, C) from the moving averages."""
        self._per_channel("moved_statistics", *averages, self._count(), np.float64(self.op.eps), self._moved)
        return self._moved

    def _affine(self, gamma: Array, beta: Array) -> tuple[Array, Array, np.int32]:
        return gamma, beta, np.int32(self.op.fix_gamma)

    def _memory(self) -> list[Array]:
        """Scratch: partial sums, sums, and room for gradients of gamma and beta that nobody asks for; each flat."""
        parts = self._scratch.parts()
        return [*(part.view(np.float64) for part in parts[:2]), *(part.view(np.float32) for part in parts[2:])]

    def _count(self) -> np.int32:
        return np.int32(self._channels)

    def _per_channel(self, kernel: str, *args: Any) -> None:
        self.device.module("channel_statistics").over(kernel, self._channels, args)

    def _from_parts(self, kernel: str, *args: Any) -> None:
        """Launch a kernel that adds up partial sums: a block per channel."""
        self.device.module("channel_statistics").launch(kernel, (self._channels,), args, threads=128)


def _size(extents: Shape) -> int:
    return int(np.prod(extents, dtype=np.int64))
