"""Operators whose output is their input's memory: Flatten, BlockGrad and identity (Reshape has its own file).

The executor lets output and input share memory where it can, and nothing is copied then. Where it cannot, for example
because the input is not contiguous, the elements are copied.
"""

from __future__ import annotations

from typing import Any

from ..array import Array, Arrays, Gradients
from .operator import Operator, PartialShape, Step
from .shapes import merge, merge_all, merge_rows, product


class BaseView(Operator, abstract=True):
    """Forward passes data on and backward its gradient, with the same elements in row-major order.

    Arrays that share memory already hold the result and are not touched.
    """

    is_view = True

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy the elements, unless the output shares data's memory."""
        _pass_on(step.xp, inputs[0], outputs[0])

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Copy the gradient, unless the two gradients share memory."""
        if in_grads[0] is not None:
            _pass_on(step.xp, out_grads[0], in_grads[0])


def _pass_on(xp: Any, source: Array, target: Array) -> None:
    # may_share_memory compares bounds of addresses only, which is cheap and enough: the arrays of different values
    # never overlap in part.
    if not xp.may_share_memory(source, target):
        target[...] = source.reshape(target.shape)


class Flatten(BaseView):
    """data (N, ...) -> (N, D), where D is the product of data's extents after the first."""

    aliases = ("flatten",)

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Output from data, and the batch size from the output. Raises ShapeError if they contradict each other."""
        data, out = in_shapes[0], out_shapes[0]
        if data:
            out = merge(out, (data[0], product(data[1:])), "Flatten: output")
            data = merge_rows(data, out, "Flatten: data")
        return [data], [out]


class Identity(BaseView):
    """The output is data."""

    canonical = "_copy"
    aliases = ("identity",)

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """One shape for both. Raises ShapeError if they contradict each other."""
        where = [f"{self.op_name()}: data", f"{self.op_name()}: output"]
        shape = merge_all([in_shapes[0], out_shapes[0]], where)
        return [shape], [shape]


class BlockGrad(Identity):
    """The output is data, and no gradient passes back."""

    aliases = ("stop_gradient",)
    blocks_gradient = True

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write zeros."""
        if in_grads[0] is not None:
            in_grads[0].fill(0)
