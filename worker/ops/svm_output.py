"""SVMOutput: the multi-class hinge loss, with each class against all others."""

from __future__ import annotations

from ...common.errors import ShapeError
from ..array import Arrays, Gradients
from .operator import Operator, PartialShape, Step
from .parameters import Bool, Float
from .shapes import merge, merge_rows
from .softmax_output import check_labels


class SVMOutput(Operator):
    """The output is data (N, K); its gradient is that of C * sum over classes of max(0, margin - t x)^2.

    label is (N,). t is 1 for the label's class and -1 for the others, C is regularization_coefficient; use_linear
    leaves out the square. Tang: "Deep learning using linear support vector machines" (2013).
    """

    is_loss = True
    backward_only = ("label",)
    margin = Float(1.0)
    regularization_coefficient = Float(1.0)
    use_linear = Bool(False)

    def arguments(self) -> tuple[str, ...]:
        """data and label."""
        return ("data", "label")

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """The output has data's shape; label has its rows, and data learns their number from it.

        Raises ShapeError if data does not have 2 axes or label has another number of rows.
        """
        data, label = merge(in_shapes[0], out_shapes[0], "SVMOutput: data"), in_shapes[1]
        if data is None:
            return [data, label], [data]
        if len(data) != 2:
            raise ShapeError("SVMOutput: data", expected="rows and classes, 2 axes", got=data)
        data = merge_rows(data, label, "SVMOutput: label") or data
        return [data, merge(label, data[:1], "SVMOutput: label")], [data]

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy data."""
        outputs[0][...] = inputs[0]

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """-t C where t x < margin, times 2 (margin - t x) for the square; zero for the label.

        Raises DataError if a label is not a class.
        """
        (data, label), grad, xp = inputs, in_grads[0], step.xp
        if in_grads[1] is not None:
            in_grads[1].fill(0)
        if grad is None:
            return
        check_labels(step, label, data.shape[1], None, "SVMOutput")
        # t: 1 for the label's class, -1 for the others, (N, K).
        side = xp.where(xp.arange(data.shape[1]) == label[:, None], 1, -1).astype(data.dtype)
        xp.multiply(side, data, out=grad)
        xp.subtract(self.margin, grad, out=grad)
        if self.use_linear:
            xp.sign(grad, out=grad)  # -1, 0 or 1, and NaN stays NaN; the maximum below then leaves 1 or 0
        xp.maximum(grad, 0, out=grad)
        grad *= side
        grad *= -self.regularization_coefficient * (1 if self.use_linear else 2)
