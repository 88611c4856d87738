"""The losses of regression: the network's output itself, and how it is pulled towards the label."""

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

    The label has data's shape; for data (N, 1) it is (N,). Any shape of as many rows and elements will do. The head
    gradient is ignored.
    """

    is_loss = True
    grad_scale = Float(1.0)

    def arguments(self) -> tuple[str, ...]:
        """data and label."""
        return ("data", "label")

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """The output has data's shape; the label follows from data, and tells it the batch size."""
        label = in_shapes[1]
        data = merge(in_shapes[0], out_shapes[0], f"{self.op_name()}: data")
        if data is None:
            return [data, label], [data]
        data = merge_rows(data, label, f"{self.op_name()}: label") or data
        if label is None:
            label = data[:1] if data[1:] == (1,) else data
        elif known(data) and known(label) and product(label) != product(data):
            raise ShapeError(f"{self.op_name()}: label", expected=f"shape {data}", got=label)
        return [data, label], [data]

    def link(self, step: Step, data: Array, out: Array) -> None:
        """Write the output."""
        out[...] = data

    def pull(self, xp: Any, out: Array, label: Array, grad: Array) -> None:
        """Write the gradient for one element per row."""
        xp.subtract(out, label, out=grad)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """The link function."""
        self.link(step, inputs[0], outputs[0])

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """The pull, scaled; nothing for the label."""
        label = inputs[1]
        if in_grads[1] is not None:
            in_grads[1].fill(0)
        if in_grads[0] is not None:
            self.pull(step.xp, outputs[0], label.reshape(outputs[0].shape), in_grads[0])
            scale = self.grad_scale / product(label.shape[1:])
            if scale != 1:
                in_grads[0] *= scale


class LinearRegressionOutput(_RegressionOutput):
    """Least squares: the output is data, its gradient output - label.

    Both are multiplied by grad_scale and divided by the label's elements per row.
    """


class LogisticRegressionOutput(_RegressionOutput):
    """Cross-entropy of independent yes/no labels: the output is sigmoid(data), data's gradient output - label."""

    def link(self, step: Step, data: Array, out: Array) -> None:
        """1 / (1 + e^-x)."""
        Activation(act_type="sigmoid").value(step.xp, (data,), out)


class MAERegressionOutput(_RegressionOutput):
    """Absolute error: the output is data, its gradient 1 where output > label, else -1 (as in MXNet)."""

    def pull(self, xp: Any, out: Array, label: Array, grad: Array) -> None:
        """sign(output - label), -1 at zero; NaN stays NaN."""
        xp.subtract(out, label, out=grad)
        xp.sign(grad, out=grad)
        grad -= grad == 0
