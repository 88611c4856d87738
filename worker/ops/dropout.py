"""Dropout: elements are set to zero at random while training.

Which ones is a function of seed, step and position alone (philox.py), so forward and backward draw the same mask, and
so does any other worker that computes the row.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...common.errors import ParameterError, ShapeError
from ..array import Array, Arrays, Gradients, Shape
from .elementwise import BaseElementwise
from .operator import Step
from .parameters import Bool, Choice, Float, Ints
from .shapes import product


class Dropout(BaseElementwise):
    """y = data / (1-p) where u < 1-p, else 0; u is uniform in [0, 1). Outside of training y = data (mode "training").

    data and y have one shape. Along each of `axes`, one decision holds for the whole axis. For element i of row r of
    the global batch, u is 2^-32 times number r * (elements per row) + i of the node's `RandomStream` in this step,
    whichever worker computes it.
    """

    p = Float(0.5, low=0.0)
    mode = Choice("training", "always", default="training")
    axes = Ints((), minimum=0)
    cudnn_off = Bool(False)

    def check(self) -> None:
        """Raise ParameterError unless p < 1: with p = 1 the scale 1 / (1-p) is infinite."""
        if not self.p < 1:
            raise ParameterError("Dropout: parameter p", expected="a number in [0, 1)", got=self.p)

    def active(self, step: Step) -> bool:
        """Whether anything is dropped."""
        return self.p > 0 and (step.is_train or self.mode == "always")

    def threshold(self) -> int:
        """An element is kept if its 32 random bits are below this number: exactly u < 1-p for u = bits * 2^-32.

        Comparing integers leaves no room for rounding, so that all kernels make the same mask.
        """
        return math.ceil((1 - self.p) * 2**32)

    def mask_shape(self, shape: Shape) -> Shape:
        """The mask's shape: `shape` with extent 1 along `axes`. Raises ShapeError if there is no such axis."""
        if any(axis >= len(shape) for axis in self.axes):
            raise ShapeError("Dropout: axes", expected=f"axes of {len(shape)}-dimensional data", got=self.axes)
        return tuple(1 if axis in self.axes else extent for axis, extent in enumerate(shape))

    def mask(self, step: Step, shape: Shape) -> Array:
        """True where elements are kept; its shape broadcasts to `shape`."""
        mask = self.mask_shape(shape)
        # With the batch axis among `axes`, all slices share one row of decisions: that at the start of the stream.
        first = 0 if 0 in self.axes else step.first_row * product(mask[1:])
        # uint64, because the threshold is 2^32 for tiny p.
        kept: Array = step.random_bits(first, product(mask)) < np.uint64(self.threshold())
        return kept.reshape(mask)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Set dropped elements to zero and scale the others."""
        self._apply(step, inputs[0], outputs[0])

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Apply the same mask and scale to the gradient; the mask is drawn again instead of being kept."""
        if in_grads[0] is not None:
            self._apply(step, out_grads[0], in_grads[0])

    def _apply(self, step: Step, source: Array, target: Array) -> None:
        if not self.active(step):
            target[...] = source
            return
        xp: Any = step.xp
        xp.multiply(source, 1 / (1 - self.p), out=target)
        # Not multiplied by the mask: 0 * NaN is NaN, but a dropped element must not matter.
        xp.copyto(target, 0, where=~self.mask(step, source.shape))
