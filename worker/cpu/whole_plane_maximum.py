"""The maximum of a whole plane: a reduction, without any layout of windows."""

from __future__ import annotations

import math

import numpy as np

from ..array import Arrays, Gradients, Shape
from ..ops.operator import Step


class WholePlaneMaximumKernel:
    """data (n, C, ...) -> (n, C, 1, ...), the largest number of each plane, whatever its number of axes."""

    joins_slices = True

    def __init__(self, data: Shape) -> None:
        self.pixels = math.prod(data[2:])
        self.winner = np.zeros(data[0] * data[1], np.intp)
        self.every = np.arange(self.winner.size)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write one value per plane; its place is remembered."""
        planes = inputs[0].reshape(-1, self.pixels)
        np.argmax(planes, axis=1, out=self.winner)  # the first of equal numbers; a NaN beats any number
        np.maximum.reduce(planes, axis=1, out=outputs[0].reshape(-1))

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write data's gradient: each plane's to its first maximum."""
        if in_grads[0] is not None:
            target = in_grads[0].reshape(-1, self.pixels)
            target.fill(0)
            target[self.every, self.winner] = out_grads[0].reshape(-1)
