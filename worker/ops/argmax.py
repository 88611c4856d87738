"""argmax, argmin and argmax_channel: the index of the largest or smallest element. No gradient passes."""

from __future__ import annotations

from collections.abc import Sequence

from ..array import Arrays, Gradients, Shape
from .operator import Operator, PartialShape, Step
from .parameters import Bool, Int, Optional
from .shapes import merge, normal_axis


class Argmax(Operator):
    """The index of the largest element along `axis`, or in the flattened data if that is None; the first of equal ones.

    keepdims leaves the axis with extent 1; if no axis is left, the output is (1,).
    """

    canonical = "argmax"
    blocks_gradient = True
    searched = "argmax"  # the function of numpy and cupy
    axis = Optional(Int())
    keepdims = Bool(False)

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True if `axis` is the batch axis; whether a negative axis is it depends on the shapes."""
        if self.axis is None or not in_shapes:
            return True
        return normal_axis(self.op_name(), self.axis, len(in_shapes[0])) == 0

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """The output's shape from data's. Raises ShapeError if data has no axis `axis`."""
        data = in_shapes[0]
        if data is None:
            return in_shapes, out_shapes
        return in_shapes, [merge(out_shapes[0], self._result(data), f"{self.op_name()}: output")]

    def _result(self, data: Shape) -> Shape:
        if self.axis is None:
            return (1,) * (len(data) if self.keepdims else 1)
        axis = normal_axis(self.op_name(), self.axis, len(data))
        inside = (1,) if self.keepdims else ()
        return (*data[:axis], *inside, *data[axis + 1 :]) or (1,)  # MXNet 1.x has no arrays without axes

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write the indices, as floats: a graph has one element type."""
        found = getattr(step.xp, self.searched)(inputs[0], axis=self.axis)
        outputs[0][...] = found.reshape(outputs[0].shape)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write zeros: the index is piecewise constant."""
        if in_grads[0] is not None:
            in_grads[0].fill(0)


class Argmin(Argmax):
    """The index of the smallest element; axis and keepdims as in argmax."""

    canonical = "argmin"
    searched = "argmin"


class ArgmaxChannel(Argmax):
    """The channel (index on axis 1) of the largest element."""

    canonical = "argmax_channel"

    def check(self) -> None:
        """Fix the axis to 1."""
        self.axis = 1
