"""Pooling with one window over the whole plane: a reduction, without any layout of windows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..array import Arrays, Gradients, Shape
from ..ops.operator import Step
from .sums import sum_over

if TYPE_CHECKING:
    from ..ops.pooling import Pooling


class WholePlanePoolKernel:
    """data (n, C, ...) -> (n, C, 1, ...), one window over each plane, whatever its number of axes."""

    joins_slices = True

    def __init__(self, op: Pooling, data: Shape) -> None:
        self.pool_type = op.pool_type
        self.pixels = math.prod(data[2:])
        self.winner = np.zeros(data[0] * data[1] if op.pool_type == "max" else 0, np.intp)
        self.every = np.arange(self.winner.size)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write one value per plane; of a maximum, its place is remembered."""
        planes, out = inputs[0].reshape(-1, self.pixels), outputs[0].reshape(-1)
        if self.pool_type == "max":
            np.argmax(planes, axis=1, out=self.winner)  # the first of equal numbers; a NaN beats any number
            np.maximum.reduce(planes, axis=1, out=out)
            return
        sum_over(planes, (1,), out)
        if self.pool_type == "avg":
            out /= self.pixels

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write data's gradient: each plane's to its first maximum, or in equal parts to all of it."""
        if in_grads[0] is None:
            return
        grad, target = out_grads[0].reshape(-1), in_grads[0].reshape(-1, self.pixels)
        if self.pool_type == "max":
            target.fill(0)
            target[self.every, self.winner] = grad
        elif self.pool_type == "avg":
            np.divide(grad[:, None], self.pixels, out=target)
        else:
            np.copyto(target, grad[:, None])
