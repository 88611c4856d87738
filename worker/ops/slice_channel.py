"""SliceChannel: one array cut into equal parts, each of which is an output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...common.errors import ShapeError
from ..array import Array, Arrays, Gradients, Shape
from .operator import Operator, PartialShape, Step
from .parameters import Bool, Int
from .shapes import is_batch_axis, merge_all, normal_axis


class SliceChannel(Operator):
    """data cut along `axis` into num_outputs parts of equal extent: output0, output1, ...

    squeeze_axis drops the axis from the outputs; its extent must then be num_outputs.
    """

    aliases = ("split",)
    num_outputs = Int(minimum=1, maximum=1 << 16)
    axis = Int(1)
    squeeze_axis = Bool(False)

    def outputs(self) -> tuple[str, ...]:
        """output0 to output<num_outputs - 1>."""
        return tuple(f"output{i}" for i in range(self.num_outputs))

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True if `axis` is the batch axis; whether a negative one is it depends on the shapes."""
        return is_batch_axis(self.axis, in_shapes)

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """The outputs from data, and data and all outputs from any output.

        Raises ShapeError if the axis is missing or cannot be divided into num_outputs parts.
        """
        where = [f"SliceChannel: {name}" for name in (*self.outputs(), "data")]
        part = merge_all([*out_shapes, self._part(in_shapes[0])], where)
        if part is None:
            return in_shapes, out_shapes
        return [self._whole(part)], [part] * self.num_outputs

    def _part(self, data: PartialShape) -> PartialShape:
        """An output's shape from data's."""
        if data is None:
            return None
        axis = normal_axis("SliceChannel", self.axis, len(data))
        extent, parts = data[axis], self.num_outputs  # an unknown extent, 0, passes both checks and stays 0
        if extent % parts or (self.squeeze_axis and extent not in (0, parts)):
            wanted = f"extent {parts}" if self.squeeze_axis else f"an extent divisible by {parts}"
            raise ShapeError("SliceChannel: data", expected=f"{wanted} on axis {axis}", got=data)
        inside = () if self.squeeze_axis else (extent // parts,)
        return (*data[:axis], *inside, *data[axis + 1 :])

    def _whole(self, part: Shape) -> Shape:
        """data's shape from an output's."""
        # Booleans count as 0 or 1: with squeeze_axis data has one axis more than a part.
        axis = normal_axis("SliceChannel", self.axis, len(part) + self.squeeze_axis)
        extent = self.num_outputs * (1 if self.squeeze_axis else part[axis])
        return (*part[:axis], extent, *part[axis + (not self.squeeze_axis) :])

    def _pieces(self, whole: Array) -> list[Array]:
        """Views of `whole`, one for each output."""
        axis = self.axis % whole.ndim
        width = whole.shape[axis] // self.num_outputs
        before: tuple[Any, ...] = (slice(None),) * axis
        starts = range(0, whole.shape[axis], width)
        if self.squeeze_axis:  # width is 1 then, and an integer index drops the axis
            return [whole[(*before, start)] for start in starts]
        return [whole[(*before, slice(start, start + width))] for start in starts]

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy each part to its output."""
        for piece, out in zip(self._pieces(inputs[0]), outputs, strict=True):
            out[...] = piece

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Copy the gradient of each output to its part of data's."""
        if in_grads[0] is not None:
            for piece, grad in zip(self._pieces(in_grads[0]), out_grads, strict=True):
                piece[...] = grad
