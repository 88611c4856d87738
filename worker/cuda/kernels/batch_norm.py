"""BatchNorm on a GPU, by kernels of our own (source/batch_norm.cu). The same inputs always give the same bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...array import Array, Shape
from ...kernels.registry import Kernel
from ...ops.operator import Step
from ..arena import Arena, Claim
from ..device import Device
from ..module import THREADS

_BLOCKS = 1056  # wanted of a summation: eight for each of 132 multiprocessors
_SIDE_BY_SIDE = 32  # channels of one block where a channel's elements do not lie together
_LEAST_WORK = 4  # elements of a thread: below, more blocks cost more than they gain


def batch_norm_kernel(device: Device, op: Any, shape: Shape) -> Kernel:
    """The kernel for a BatchNorm whose data has that shape.

    The place to choose cuDNN's, should it prove faster: it would have to give up output_mean_var's and the averages'
    formulas (cuDNN moves the unbiased variance) and any axis but 1.
    """
    return BatchNormKernel(device, op, shape)


class BatchNormKernel:
    """See ops.batch_norm.BatchNorm, whose results these are, in float32 with sums in double precision.

    Mean and variance of the batch are kept by a forward in training mode and used by the backward that follows. If the
    last forward was another one, or there was none, backward computes them from its own inputs, as the plain operator
    always does. A recorded step replays what was decided when it was recorded.
    """

    def __init__(self, device: Device, op: Any, shape: Shape) -> None:
        """`shape` is that of data. To be made while the device is active."""
        self.device, self.op, axis = device, op, op.channel_axis(shape)
        self._before, self._channels, self._behind = _size(shape[:axis]), shape[axis], _size(shape[axis + 1 :])
        self._width, self._lanes, self._splits, self._columns = _shares(self._before, self._channels, self._behind)
        self._parts = self._splits * self._columns
        self._batch = device.empty((3, self._channels), np.float64)
        self._moved = device.empty((3, self._channels), np.float64)
        self._kept = False  # whether _batch is of the data of the last forward
        sizes = [16 * self._parts * self._channels, 16 * self._channels, 4 * self._channels, 4 * self._channels]
        self._scratch = Claim(Arena.of(device, "batch_norm"), sizes)

    def forward(self, step: Step, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Normalise; while training, move the averages."""
        data, gamma, beta, *averages = inputs
        self._kept = self.op.uses_batch(step, data)
        statistics = self._of_batch(data, averages, moves=True) if self._kept else self._of_averages(averages)
        if self.op.output_mean_var:
            self._per_channel("give_statistics", statistics, self._count(), outputs[1], outputs[2])
        if data.size:
            args = (data, statistics, gamma, beta, np.int32(self.op.fix_gamma), outputs[0])
            self._element_wise("normalise", args)

    def backward(
        self,
        step: Step,
        out_grads: Sequence[Array],
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        in_grads: Sequence[Array | None],
    ) -> None:
        """Write the gradients of data, gamma and beta, those that are asked for."""
        data, gamma, _, *averages = inputs
        of_batch, head, fixed = self.op.uses_batch(step, data), out_grads[0], np.int32(self.op.fix_gamma)
        if of_batch:
            statistics = self._batch if self._kept else self._of_batch(data, averages, moves=False)
        else:
            statistics = self._of_averages(averages)
        partial, sums, gamma_grad, beta_grad = self._memory()
        self._sum("head_sums", head, partial, data, statistics)
        grads = [
            given if given is not None else own
            for given, own in zip(in_grads[1:3], (gamma_grad, beta_grad), strict=True)
        ]
        self._warp_per_channel("scale_gradients", partial, np.int32(self._parts), self._count(), fixed, sums, *grads)
        if in_grads[0] is not None and data.size:
            count = np.float64(self._before * self._behind if of_batch else 0)
            args = (head, data, statistics, sums, count, gamma, fixed, in_grads[0])
            self._element_wise("data_gradient", args)

    def _of_batch(self, data: Array, averages: Sequence[Array], moves: bool) -> Array:
        partial, op = self._memory()[0], self.op
        self._sum("data_sums", data, partial)
        numbers = (
            np.float64(self._before * self._behind),
            np.float64(op.eps),
            np.float64(op.momentum),
            np.int32(moves),
        )
        args = (partial, np.int32(self._parts), self._count(), *numbers, *averages, self._batch)
        self._warp_per_channel("batch_statistics", *args)
        return self._batch

    def _of_averages(self, averages: Sequence[Array]) -> Array:
        self._per_channel("moved_statistics", *averages, self._count(), np.float64(self.op.eps), self._moved)
        return self._moved

    def _memory(self) -> list[Array]:
        """Partial sums, sums, and where the gradients of gamma and beta go that nobody asked for."""
        parts = self._scratch.parts()
        return [*(part.view(np.float64) for part in parts[:2]), *(part.view(np.float32) for part in parts[2:])]

    def _count(self) -> np.int32:
        return np.int32(self._channels)

    def _sum(self, kernel: str, array: Array, partial: Array, *more: Array) -> None:
        shape = (np.int64(self._before), self._count(), np.int64(self._behind))
        shares = (np.int32(self._width), np.int32(self._lanes), np.int32(self._columns))
        grid = (-(-self._channels // self._width), self._parts)
        self._module().launch(kernel, grid, (array, partial, *shape, *shares, *more))

    def _per_channel(self, kernel: str, *args: Any) -> None:
        self._module().over(kernel, self._channels, args)

    def _warp_per_channel(self, kernel: str, *args: Any) -> None:
        self._module().over(kernel, 32 * self._channels, args)

    def _element_wise(self, kernel: str, args: tuple[Any, ...]) -> None:
        planes, lanes = self._before * self._channels, min(THREADS, _power_of_two(self._behind))
        across = -(-planes // (THREADS // lanes))
        # One block per stretch of a plane where there are few planes; where there are many, a block goes along its own.
        down = max(1, min(-(-self._behind // lanes), -(-8 * _BLOCKS // across)))
        shape = (np.int64(planes), self._count(), np.int64(self._behind), np.int32(lanes))
        self._module().launch(kernel, (across, down), (*args, *shape))

    def _module(self) -> Any:
        return self.device.module("batch_norm")


def _shares(before: int, channels: int, behind: int) -> tuple[int, int, int, int]:
    """How sums are dealt out (see source/batch_norm.cu): width, lanes, and into how many parts before and behind go."""
    width = 1 if behind >= _SIDE_BY_SIDE else _SIDE_BY_SIDE
    lanes = min(THREADS, _power_of_two(behind)) if width == 1 else 1
    rows = THREADS // (width * lanes)
    wanted = max(1, _BLOCKS // -(-channels // width))
    splits = max(1, min(wanted, before // (rows * _LEAST_WORK) if rows > 1 else before))
    columns = max(1, min(wanted // splits, behind // (lanes * _LEAST_WORK))) if width == 1 else 1
    return width, lanes, splits, columns


def _power_of_two(number: int) -> int:
    """The smallest one that is not less."""
    return 1 << max(0, number - 1).bit_length()


def _size(extents: Shape) -> int:
    return int(np.prod(extents, dtype=np.int64))
