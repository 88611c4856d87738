"""Operators whose output is their input's memory: Flatten, BlockGrad, identity (Reshape has a file of its own)."""

from __future__ import annotations

from typing import Any

from ..array import Array, Arrays, Gradients
from .operator import Operator, PartialShape, Step
from .shapes import merge, merge_all, merge_rows, product


class BaseView(Operator, abstract=True):
    """Forward passes data on and backward its gradient, in another shape or the same; shared memory is left alone."""

    is_view = True

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy the elements in order."""
        _pass_on(step.xp, inputs[0], outputs[0])

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Copy the gradient in order."""
        if in_grads[0] is not None:
            _pass_on(step.xp, out_grads[0], in_grads[0])


def _pass_on(xp: Any, source: Array, target: Array) -> None:
    if not xp.may_share_memory(source, target):
        target[...] = source.reshape(target.shape)


class Flatten(BaseView):
    """data (N, ...) -> (N, D), D the product of data's extents after the first."""

    aliases = ("flatten",)

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Output from data, and the batch size from the output."""
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
        """Each from the other."""
        where = [f"{self.op_name()}: data", f"{self.op_name()}: output"]
        shape = merge_all([in_shapes[0], out_shapes[0]], where)
        return [shape], [shape]


class BlockGrad(Identity):
    """The output is data, and no gradient passes back."""

    aliases = ("stop_gradient",)
    blocks_gradient = True

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Zero."""
        if in_grads[0] is not None:
            in_grads[0].fill(0)
