"""FullyConnected: y = x W^T + b."""

from __future__ import annotations

from ...common.errors import ShapeError
from ..array import Arrays, Gradients
from .operator import Operator, PartialShape, Step
from .parameters import Bool, Int
from .shapes import merge, product


class FullyConnected(Operator):
    """Every output is a weighted sum of all inputs of its row, plus a bias: y = x W^T + b.

    data (N, ...), weight (num_hidden, D), bias (num_hidden,) -> (N, num_hidden), D being the product of data's extents
    after the first. With flatten=False the sum is over the last axis only: (N, ..., D) -> (N, ..., num_hidden).
    """

    num_hidden = Int(minimum=1)
    no_bias = Bool(False)
    flatten = Bool(True)

    def arguments(self) -> tuple[str, ...]:
        """data, weight and, unless no_bias, bias."""
        return ("data", "weight") if self.no_bias else ("data", "weight", "bias")

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Weight and output from data; data from weight and output if it has two axes or is not flattened.

        Raises ShapeError if data has no axis or the shapes contradict each other.
        """
        data, out = in_shapes[0], out_shapes[0]
        weight = merge(in_shapes[1], (self.num_hidden, 0), "FullyConnected: weight")
        if data is not None and len(data) < 1:
            raise ShapeError("FullyConnected: data", expected="at least one axis", got=data)
        if data is not None:
            depth = product(data[1:]) if self.flatten else data[-1]
            weight = merge(weight, (self.num_hidden, depth), "FullyConnected: weight")
            rows = data[:1] if self.flatten else data[:-1]
            out = merge(out, (*rows, self.num_hidden), "FullyConnected: output")
            if len(data) == 2 or not self.flatten:  # otherwise D does not tell how data's extents share it
                assert weight is not None and out is not None
                data = merge(data, (*out[:-1], weight[1]), "FullyConnected: data")
        shapes: list[PartialShape] = [data, weight]
        if not self.no_bias:
            shapes.append(merge(in_shapes[2], (self.num_hidden,), "FullyConnected: bias"))
        return shapes, [out]

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """y = x W^T + b."""
        # Views of (rows, D) and (rows, num_hidden); without flatten every index of the leading axes is a row.
        data, weight = inputs[0], inputs[1]
        out = outputs[0].reshape(-1, self.num_hidden)
        step.xp.matmul(data.reshape(-1, weight.shape[1]), weight.T, out=out)
        if not self.no_bias:
            out += inputs[2]

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """dx = dy W, dW = dy^T x, db = sum of dy over rows."""
        data, weight = inputs[0], inputs[1]
        grad = out_grads[0].reshape(-1, self.num_hidden)
        flat = (-1, weight.shape[1])
        if in_grads[1] is not None:
            step.xp.matmul(grad.T, data.reshape(flat), out=in_grads[1])
        if not self.no_bias and in_grads[2] is not None:
            step.xp.sum(grad, axis=0, out=in_grads[2])
        if in_grads[0] is not None:
            step.xp.matmul(grad, weight, out=in_grads[0].reshape(flat))
