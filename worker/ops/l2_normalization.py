"""L2Normalization: vectors scaled to length 1."""

from __future__ import annotations

from typing import Any

from ..array import Array, Arrays, Gradients
from .elementwise import BaseElementwise
from .operator import PartialShape, Step
from .parameters import Choice, Float
from .shapes import require_axes


class L2Normalization(BaseElementwise):
    """y = x / sqrt(sum of x^2 + eps), summed over a row (mode instance), axis 1 (channel), or axes 2 and up (spatial).

    x and y have one shape.
    """

    eps = Float(1e-10, low=0.0)
    mode = Choice("instance", "channel", "spatial", default="instance")

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Data and output from each other. Raises ShapeError if data has too few axes for the mode."""
        inputs, outputs = super().infer_shape(in_shapes, out_shapes)
        require_axes(f"L2Normalization: data in mode {self.mode}", inputs[0], 2 if self.mode == "instance" else 3)
        return inputs, outputs

    def _axes(self, x: Array) -> tuple[int, ...]:
        """The axes over which squares are summed."""
        ends = {"instance": (1, x.ndim), "channel": (1, 2), "spatial": (2, x.ndim)}
        return tuple(range(*ends[self.mode]))

    def _inverse_norm(self, xp: Any, x: Array) -> Array:
        # eps is under the root, as in MXNet, so that a vector of zeros gives 0 and not NaN.
        norm: Array = xp.sqrt(xp.sum(xp.square(x), axis=self._axes(x), keepdims=True) + self.eps)
        return 1 / norm

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """x / norm."""
        step.xp.multiply(inputs[0], self._inverse_norm(step.xp, inputs[0]), out=outputs[0])

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """(dy - y sum(y dy)) / norm: dy without its part along y, since scaling x leaves y as it is (but for eps)."""
        grad, y, head = in_grads[0], outputs[0], out_grads[0]
        if grad is None:
            return
        step.xp.multiply(y, head, out=grad)
        # The sum is complete before `grad` is overwritten with y times it.
        step.xp.multiply(y, step.xp.sum(grad, axis=self._axes(y), keepdims=True), out=grad)
        step.xp.subtract(head, grad, out=grad)
        grad *= self._inverse_norm(step.xp, inputs[0])
