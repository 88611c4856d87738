"""MakeLoss and make_loss: they declare their input to be the loss that training minimises."""

from __future__ import annotations

from collections.abc import Sequence

from ..array import Array, Arrays, Gradients, Shape
from .elementwise import BaseElementwise
from .operator import Step
from .parameters import Choice, Float
from .shapes import product


class MakeLoss(BaseElementwise):
    """The output is data, of any shape; the gradient is grad_scale / Z everywhere, whatever the head gradient.

    Z is 1 (normalization "null"), the product of all extents but the last ("batch": the number of rows, for 2 axes; a
    vector counts as one row, as in MXNet), or the number of elements above valid_thresh, at least 1 ("valid"). With
    several workers, each counts in its own share of the batch.
    """

    is_loss = True
    grad_scale = Float(1.0)
    valid_thresh = Float(0.0)
    normalization = Choice("null", "batch", "valid", default="null")

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True if Z is counted over the batch."""
        return self.normalization != "null"

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy data."""
        outputs[0][...] = inputs[0]

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Fill the gradient with grad_scale / Z; the head gradient is not read."""
        if in_grads[0] is not None:
            # At least 1: "valid" may count nothing, and an empty batch has no rows.
            in_grads[0].fill(self.grad_scale / max(self._divisor(inputs[0]), 1))

    def _divisor(self, data: Array) -> int:
        if self.normalization == "batch":
            return product(data.shape[:-1])
        return int((data > self.valid_thresh).sum()) if self.normalization == "valid" else 1


class MakeLossNoScale(BaseElementwise):
    """The output is data, of any shape; its gradient is 1, whatever the head gradient."""

    canonical = "make_loss"
    is_loss = True

    def outputs(self) -> tuple[str, ...]:
        """The output is called "loss", as in MXNet."""
        return ("loss",)

    def value(self, xp: object, inputs: Arrays, out: Array) -> None:
        """y = x."""
        out[...] = inputs[0]

    def slope(self, xp: object, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """1 everywhere."""
        out.fill(1)
