"""SoftmaxActivation: the softmax that older networks use, with a mode instead of an axis."""

from __future__ import annotations

from ..array import Arrays, Gradients
from .elementwise import BaseElementwise
from .operator import PartialShape, Step
from .parameters import Choice
from .shapes import require_axes
from .softmax import exponentials, softmax_gradient


class SoftmaxActivation(BaseElementwise):
    """Softmax along the last axis (mode instance, data with at least 2 axes) or axis 1 (channel, at least 3).

    For data with more than two axes in mode instance, forward is that of MXNet 1.9.1. MXNet's gradient there belongs
    to another function; here it is the true one.
    """

    mode = Choice("instance", "channel", default="instance")

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Data and output from each other. Raises ShapeError if data has too few axes for the mode."""
        inputs, outputs = super().infer_shape(in_shapes, out_shapes)
        require_axes(f"SoftmaxActivation: data in mode {self.mode}", inputs[0], 2 if self.mode == "instance" else 3)
        return inputs, outputs

    def _axis(self) -> int:
        # Not axis 1 for mode instance: with more than two axes, MXNet's forward normalises along the last.
        return -1 if self.mode == "instance" else 1

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """y = e^(x - max) / sum; subtracting the maximum keeps e^x from overflowing."""
        step.xp.subtract(inputs[0], inputs[0].max(axis=self._axis(), keepdims=True), out=outputs[0])
        exponentials(step.xp, outputs[0], self._axis())

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """y (dy - sum(y dy)), with the sum along the same axis."""
        if in_grads[0] is not None:
            softmax_gradient(step.xp, outputs[0], out_grads[0], self._axis(), in_grads[0])
