"""softmax, log_softmax and softmin along an axis, with their true gradients (SoftmaxOutput's is that of a loss).

The maximum along the axis is subtracted first: it changes nothing in theory, and keeps e^x from overflowing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...common.errors import ParameterError, ShapeError
from ..array import Array, Arrays, Gradients, Shape
from .elementwise import BaseElementwise
from .operator import PartialShape, Step
from .parameters import Bool, Choice, Float, Int, Optional
from .shapes import is_batch_axis


class BaseSoftmax(BaseElementwise, abstract=True):
    """The parameters of all three; data and output have one shape.

    `dtype` is accepted and ignored: a graph has one element type.
    """

    axis = Int(-1)
    temperature = Optional(Float())
    dtype = Optional(Choice("float16", "float32", "float64"))
    use_length = Optional(Bool())
    sign = 1.0  # -1 in softmin

    def check(self) -> None:
        """Raise ParameterError unless temperature is positive; use_length, which adds an input, is refused."""
        if self.temperature is not None and not self.temperature > 0:
            where = f"{self.op_name()}: parameter temperature"
            raise ParameterError(where, expected="a number above 0", got=self.temperature)
        if self.use_length:
            raise ParameterError(f"{self.op_name()}: parameter use_length", expected="False", got=True)

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Data and output from each other. Raises ShapeError if data has no axis `axis`."""
        inputs, outputs = super().infer_shape(in_shapes, out_shapes)
        if inputs[0] is not None and not -len(inputs[0]) <= self.axis < len(inputs[0]):
            raise ShapeError(f"{self.op_name()}: data", expected=f"a shape with axis {self.axis}", got=inputs[0])
        return inputs, outputs

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True if `axis` is the batch axis; whether a negative one is it depends on the shapes."""
        return is_batch_axis(self.axis, in_shapes)

    def factor(self) -> float:
        """The number by which data is multiplied: 1 / temperature, negative for softmin."""
        return self.sign / (self.temperature or 1.0)

    def scaled(self, xp: Any, data: Array, out: Array) -> None:
        """Write data * factor, less its maximum along `axis`, to `out`, of data's shape."""
        # The factor comes first: for a negative one (softmin) the maximum is of the negated data.
        xp.multiply(data, self.factor(), out=out)
        out -= out.max(axis=self.axis, keepdims=True)


class Softmax(BaseSoftmax):
    """y = e^(x / temperature), divided by its sum along `axis`."""

    canonical = "softmax"

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """y = e^(x - max) / sum."""
        self.scaled(step.xp, inputs[0], outputs[0])
        exponentials(step.xp, outputs[0], self.axis)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """y (dy - sum(y dy)) / temperature, with the sum along `axis`."""
        if in_grads[0] is not None:
            softmax_gradient(step.xp, outputs[0], out_grads[0], self.axis, in_grads[0])
            in_grads[0] *= self.factor()  # the inner derivative, -1 / temperature in softmin


class Softmin(Softmax):
    """y = e^(-x / temperature), divided by its sum along `axis`."""

    canonical = "softmin"
    sign = -1.0


class LogSoftmax(BaseSoftmax):
    """y = x / temperature - ln(sum of e^(x / temperature)), along `axis`."""

    canonical = "log_softmax"

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """y = x - max - ln(sum e^(x - max)); the logarithm of softmax would be -inf where that underflows to 0."""
        xp, out = step.xp, outputs[0]
        self.scaled(xp, inputs[0], out)
        out -= xp.log(xp.sum(xp.exp(out), axis=self.axis, keepdims=True))

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """(dy - e^y sum(dy)) / temperature, with the sum along `axis`."""
        grad, xp, head = in_grads[0], step.xp, out_grads[0]
        if grad is not None:
            xp.exp(outputs[0], out=grad)  # the softmax, from log_softmax's own output
            grad *= -xp.sum(head, axis=self.axis, keepdims=True)
            grad += head
            grad *= self.factor()


def exponentials(xp: Any, values: Array, axis: int) -> None:
    """Replace `values`, all at most 0, by e^value / (their sum along `axis`)."""
    xp.exp(values, out=values)
    values /= xp.sum(values, axis=axis, keepdims=True)


def softmax_gradient(xp: Any, y: Array, head: Array, axis: int, grad: Array) -> None:
    """Write softmax's gradient y (head - sum of y head along `axis`) to `grad`; all arrays have y's shape."""
    # From dy_i/dx_j = y_i ((i == j) - y_j): only the sum along the axis is needed, never the whole Jacobian.
    xp.multiply(y, head, out=grad)
    total = xp.sum(grad, axis=axis, keepdims=True)
    xp.subtract(head, total, out=grad)
    grad *= y
