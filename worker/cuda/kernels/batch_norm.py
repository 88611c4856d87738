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

    `last`: the math (see packs.py) of arrays with channels last; None for float32 in C order. The place to choose
    cuDNN's, should it prove faster: it would have to give up output_mean_var's and the averages' formulas (cuDNN moves
    the unbiased variance) and any axis but 1.
    """
    return BatchNormKernel(device, op, shape, act_type, last)


class BatchNormKernel:
    """See ops.batch_norm.BatchNorm, whose results these are, in float32 with sums in double precision.

    Mean and variance of the batch are kept by a forward in training mode and used by the backward that follows. If the
    last forward was another one, or there was none, backward computes them from its own inputs, as the plain operator
    always does. A recorded step replays what was decided when it was recorded. What stands before the activation is
    computed anew in backward, which costs less than to read it.
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
        self._batch = device.empty((3, self._channels), np.float64)
        self._moved = device.empty((3, self._channels), np.float64)
        self._kept = False  # whether _batch is of the data of the last forward
        sizes = [16 * self._walk.parts * self._channels, 16 * self._channels, 4 * self._channels, 4 * self._channels]
        self._scratch = Claim(Arena.of(device, "batch_norm"), sizes)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Normalise; while training, move the averages."""
        data, gamma, beta, *averages = inputs
        self._kept = self.op.uses_batch(step, data)
        statistics = self._of_batch(data, averages, moves=True) if self._kept else self._of_averages(averages)
        if self.op.output_mean_var:
            self._per_channel("give_statistics", statistics, self._count(), outputs[1], outputs[2])
        if data.size:
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
        grads = [
            given if given is not None else own
            for given, own in zip(in_grads[1:3], (gamma_grad, beta_grad), strict=True)
        ]
        parts = partial, np.int32(self._walk.parts), self._count()
        self._from_parts("scale_gradients", *parts, np.int32(self.op.fix_gamma), sums, *grads)
        if in_grads[0] is not None and data.size:
            share = np.float64(1 / self._elements if of_batch else 0)
            head, data, target = (self._walk.flat(array) for array in (head, data, in_grads[0]))
            self._walk.over("data_gradient", (head, data, statistics, sums, share, *affine, target))

    def _of_batch(self, data: Array, averages: Arrays, moves: bool) -> Array:
        partial, op = self._memory()[0], self.op
        self._walk.sum("data_sums", data, partial)
        numbers = np.float64(self._elements), np.float64(op.eps), np.float64(op.momentum), np.int32(moves)
        args = (partial, np.int32(self._walk.parts), self._count(), *numbers, *averages, self._batch)
        self._from_parts("batch_statistics", *args)
        return self._batch

    def _of_averages(self, averages: Arrays) -> Array:
        self._per_channel("moved_statistics", *averages, self._count(), np.float64(self.op.eps), self._moved)
        return self._moved

    def _affine(self, gamma: Array, beta: Array) -> tuple[Array, Array, np.int32]:
        return gamma, beta, np.int32(self.op.fix_gamma)

    def _memory(self) -> list[Array]:
        """Partial sums, sums, and where the gradients of gamma and beta go that nobody asked for."""
        parts = self._scratch.parts()
        return [*(part.view(np.float64) for part in parts[:2]), *(part.view(np.float32) for part in parts[2:])]

    def _count(self) -> np.int32:
        return np.int32(self._channels)

    def _per_channel(self, kernel: str, *args: Any) -> None:
        self.device.module("channel_statistics").over(kernel, self._channels, args)

    def _from_parts(self, kernel: str, *args: Any) -> None:
        self.device.module("channel_statistics").launch(kernel, (self._channels,), args, threads=128)


def _size(extents: Shape) -> int:
    return int(np.prod(extents, dtype=np.int64))
