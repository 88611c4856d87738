"""LRN: local response normalisation, in which large values damp those of neighbouring channels."""

from __future__ import annotations

from typing import Any

from ...common.errors import ParameterError, ShapeError
from ..array import Array, Arrays, Gradients
from .elementwise import BaseElementwise
from .operator import PartialShape, Step
from .parameters import Float, Int


class LRN(BaseElementwise):
    """y = x * (knorm + alpha / nsize * sum of x^2 over the nsize channels around it)^-beta.

    x and y have one shape; channels are axis 1, and those beyond the first and the last count as 0. nsize is odd.
    Krizhevsky, Sutskever, Hinton: "ImageNet classification with deep convolutional neural networks" (2012).
    """

    nsize = Int(minimum=1)
    alpha = Float(1e-4)
    beta = Float(0.75)
    knorm = Float(2.0)

    def check(self) -> None:
        """Raise ParameterError unless nsize is odd, so that the window has a middle channel."""
        if self.nsize % 2 == 0:
            raise ParameterError("LRN: parameter nsize", expected="an odd number", got=self.nsize)

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Data and output from each other. Raises ShapeError if data has fewer than 2 axes."""
        inputs, outputs = super().infer_shape(in_shapes, out_shapes)
        if inputs[0] is not None and len(inputs[0]) < 2:
            raise ShapeError("LRN: data", expected="rows and channels, at least 2 axes", got=inputs[0])
        return inputs, outputs

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """y = x s^-beta."""
        xp, out = step.xp, outputs[0]
        xp.power(self._sums(xp, inputs[0]), -self.beta, out=out)
        out *= inputs[0]

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """dy s^-beta - 2 alpha beta / nsize * x * window sum of (dy y / s), by the chain rule.

        Windows are symmetric, so the channels that x_i influences are those of its own window.
        """
        grad, xp, x = in_grads[0], step.xp, inputs[0]
        if grad is None:
            return
        # s is computed again: keeping it from forward would cost another array of data's size.
        sums = self._sums(xp, x)
        shared = _window_sums(xp, out_grads[0] * outputs[0] / sums, self.nsize)
        shared *= x
        shared *= 2 * self.alpha * self.beta / self.nsize
        xp.power(sums, -self.beta, out=grad)
        grad *= out_grads[0]
        grad -= shared

    def _sums(self, xp: Any, x: Array) -> Array:
        """s = knorm + alpha / nsize * window sum of x^2."""
        sums = _window_sums(xp, xp.square(x), self.nsize)
        sums *= self.alpha / self.nsize
        sums += self.knorm
        return sums


def _window_sums(xp: Any, values: Array, size: int) -> Array:
    """For each channel, the sum over it and size // 2 neighbours on either side; the shape is that of `values`."""
    sums: Array = values.copy()
    # The distance stops at channels - 1: beyond it there is no neighbour, and the slices would be empty or wrong.
    for distance in range(1, min(size // 2, values.shape[1] - 1) + 1):
        sums[:, distance:] += values[:, :-distance]
        sums[:, :-distance] += values[:, distance:]
    return sums
