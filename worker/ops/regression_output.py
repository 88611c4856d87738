"""The losses of regression: the output is the network's prediction, and backward writes the loss's gradient."""

from __future__ import annotations

from typing import Any

from ...common.errors import ShapeError
from ..array import Array, Arrays, Gradients
from .activation import Activation
from .operator import Operator, PartialShape, Step
from .parameters import Float
from .shapes import known, merge, merge_rows, product


class _RegressionOutput(Operator, abstract=True):
    """output = link(data); the gradient is pull(output, label) * grad_scale / (elements per row of the label).

    The output has data's shape. So has the label, by default (N,) for data (N, 1); any shape with as many rows and
    elements is accepted. In `link` and `pull` all arrays have data's shape. The head gradient is ignored.
    """

    is_loss = True
    backward_only = ("label",)
    grad_scale = Float(1.0)

    def arguments(self) -> tuple[str, ...]:
        """data and label."""
        return ("data", "label")

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """The output has data's shape; the label follows from data, and data learns the batch size from it.

        Raises ShapeError if the label has another number of rows or elements.
        """
        label = in_shapes[1]
        data = merge(in_shapes[0], out_shapes[0], f"{self.op_name()}: data")
        if data is None:
            return [data, label], [data]
        data = merge_rows(data, label, f"{self.op_name()}: label") or data
        # Only the number of elements is compared, as MXNet does: backward reads the label in the output's shape.
        if label is None:
            label = data[:1] if data[1:] == (1,) else data
        elif known(data) and known(label) and product(label) != product(data):
            raise ShapeError(f"{self.op_name()}: label", expected=f"shape {data}", got=label)
        return [data, label], [data]

    def link(self, step: Step, data: Array, out: Array) -> None:
        """Write the output, of data's shape; here data itself."""
        out[...] = data

    def pull(self, xp: Any, out: Array, label: Array, grad: Array) -> None:
        """Write the unscaled gradient, of the shape of `out` and `label`; here output - label."""
        xp.subtract(out, label, out=grad)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Apply the link function."""
        self.link(step, inputs[0], outputs[0])

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """The scaled gradient for data, zero for the label."""
        label = inputs[1]
        if in_grads[1] is not None:
            in_grads[1].fill(0)
        if in_grads[0] is not None:
            self.pull(step.xp, outputs[0], label.reshape(outputs[0].shape), in_grads[0])
            # Per element of a row and not per row: data (N, 1) with the label (N,) divides by 1, as MXNet does.
            scale = self.grad_scale / product(label.shape[1:])
            if scale != 1:  # spares a pass over the gradient
                in_grads[0] *= scale


class LinearRegressionOutput(_RegressionOutput):
    """Least squares: the output is data, and data's gradient is output - label.

    The gradient is multiplied by grad_scale and divided by the label's elements per row.
    """


class LogisticRegressionOutput(_RegressionOutput):
    """Cross-entropy of independent yes/no labels: the output is sigmoid(data), data's gradient output - label."""

    def link(self, step: Step, data: Array, out: Array) -> None:
        """1 / (1 + e^-x), of data's shape."""
        Activation(act_type="sigmoid").value(step.xp, (data,), out)


class MAERegressionOutput(_RegressionOutput):
    """Absolute error: the output is data, and data's gradient is 1 where output > label, else -1 (as in MXNet)."""

    def pull(self, xp: Any, out: Array, label: Array, grad: Array) -> None:
        """sign(output - label), but -1 where they are equal; NaN stays NaN. All arrays have data's shape."""
        xp.subtract(out, label, out=grad)
        xp.sign(grad, out=grad)
        grad -= grad == 0  # 0 becomes -1; comparisons such as out > label would turn NaN into -1, too
