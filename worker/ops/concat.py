"""Concat: arrays joined along one axis."""

from __future__ import annotations

from collections.abc import Sequence

from ...common.errors import ShapeError
from ..array import Array, Arrays, Gradients, Shape
from .operator import Operator, PartialShape, Step
from .parameters import Int
from .shapes import is_batch_axis, merge


class Concat(Operator):
    """arg0, arg1, ... joined along axis `dim`; their other extents are equal, and the output's along `dim` is the sum.

    num_args is filled in when the inputs are given by position. A negative `dim` counts from the last axis.
    """

    aliases = ("concat",)
    variadic = True
    joins_slices = True
    num_args = Int(minimum=1, maximum=1 << 16)  # a file may claim any number, and every input gets a name
    dim = Int(1)

    def arguments(self) -> tuple[str, ...]:
        """arg0 to arg<num_args - 1>."""
        return tuple(f"arg{i}" for i in range(self.num_args))

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True if `dim` is the batch axis; whether a negative one is it depends on the shapes."""
        return is_batch_axis(self.dim, in_shapes)

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """All arrays share every extent but that of `dim`, where one unknown extent follows from the others.

        Raises ShapeError if they differ on another axis, if there is no axis `dim`, or if the extents do not add up.
        """
        shapes = [*in_shapes, *out_shapes]
        axes = next((len(shape) for shape in shapes if shape is not None), None)
        if axes is None:
            return in_shapes, out_shapes
        axis = self._axis(axes)
        common: PartialShape = (0,) * axes  # what all have in common; its extent along `dim` stays unknown
        where = [*(f"Concat: {name}" for name in self.arguments()), "Concat: output"]
        for shape, name in zip(shapes, where, strict=True):
            common = merge(None if shape is None else _replace(shape, axis, 0, axes), common, name)
        assert common is not None
        lengths = self._lengths([shape[axis] if shape is not None else 0 for shape in shapes])
        complete: list[PartialShape] = [_replace(common, axis, length, axes) for length in lengths]
        return complete[:-1], complete[-1:]

    def _axis(self, axes: int) -> int:
        if not -axes <= self.dim < axes:
            raise ShapeError(f"Concat: dim {self.dim}", expected=f"an axis of {axes}-dimensional inputs")
        return self.dim % axes

    def _lengths(self, lengths: list[int]) -> list[int]:
        """The extents along `dim`, the output's last, with one unknown filled in."""
        *parts, total = lengths
        # 0 is unknown. Either all inputs are known and give the output, or the output and all inputs but one do.
        if all(parts):
            if total and total != sum(parts):
                raise ShapeError("Concat: output", expected=f"extent {sum(parts)} on axis {self.dim}", got=total)
            return [*parts, sum(parts)]
        if total and parts.count(0) == 1:
            rest = total - sum(parts)
            if rest < 1:
                raise ShapeError("Concat: output", expected=f"extent above {sum(parts)} on axis {self.dim}", got=total)
            return [*(part or rest for part in parts), total]
        return lengths

    def _pieces(self, whole: Array, parts: Arrays) -> list[Array]:
        """Views of `whole`, one for each of `parts`."""
        axis, start, pieces = self._axis(whole.ndim), 0, []
        for part in parts:
            stop = start + part.shape[axis]
            pieces.append(whole[(slice(None),) * axis + (slice(start, stop),)])
            start = stop
        return pieces

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy each input into its part of the output."""
        for piece, data in zip(self._pieces(outputs[0], inputs), inputs, strict=True):
            piece[...] = data

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Copy each input's part of the gradient."""
        for piece, grad in zip(self._pieces(out_grads[0], inputs), in_grads, strict=True):
            if grad is not None:
                grad[...] = piece


def _replace(shape: Shape, axis: int, extent: int, axes: int) -> Shape:
    """`shape` with another extent at `axis`; left alone if its number of axes is wrong, for `merge` to refuse."""
    return (*shape[:axis], extent, *shape[axis + 1 :]) if len(shape) == axes else shape
