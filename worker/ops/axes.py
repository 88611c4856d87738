"""Operators that reorder axes (transpose, SwapAxis), add one (expand_dims) or drop some (squeeze)."""

from __future__ import annotations

from collections.abc import Sequence

from ...common.errors import ParameterError, ShapeError
from ..array import Arrays, Gradients, Shape
from .operator import Operator, PartialShape, Step
from .parameters import Int, Ints, Optional
from .shapes import is_batch_axis, merge, normal_axis
from .view import BaseView


class _Permutation(Operator, abstract=True):
    """Output axis i is data's axis `order[i]`."""

    def order(self, axes: int) -> Shape:
        """The permutation for data with that many axes. Raises ShapeError if data has the wrong number."""
        raise NotImplementedError

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True if the batch axis moves, which depends on the number of axes."""
        return not in_shapes or self.order(len(in_shapes[0]))[0] != 0

    def keeps_rows_apart(self, in_shapes: Sequence[Shape], axes: Sequence[int | None]) -> bool:
        """True: rows move together."""
        return True

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Data's shape from the output's, and the reverse. Raises ShapeError if they contradict each other."""
        data, out = in_shapes[0], out_shapes[0]
        if out is not None:
            order = self.order(len(out))
            # out[i] = data[order[i]], so data's axis a is where `order` holds a.
            back = tuple(out[order.index(axis)] for axis in range(len(out)))
            data = merge(data, back, f"{self.op_name()}: data")
        if data is not None:
            out = tuple(data[axis] for axis in self.order(len(data)))
        return [data], [out]

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy data with its axes reordered."""
        outputs[0][...] = inputs[0].transpose(self.order(inputs[0].ndim))

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Copy the gradient with each axis back in its place."""
        if in_grads[0] is not None:
            # Writing through a transposed view spares computing the inverse permutation.
            in_grads[0].transpose(self.order(inputs[0].ndim))[...] = out_grads[0]


class Transpose(_Permutation):
    """data with its axes in the order `axes`, or in reverse order if that is empty."""

    canonical = "transpose"
    axes = Ints(())

    def check(self) -> None:
        """Raise ParameterError unless `axes` names each axis once."""
        if any(axis < -len(self.axes) for axis in self.axes) or sorted(self._positive()) != [*range(len(self.axes))]:
            raise ParameterError("transpose: parameter axes", expected="each axis once", got=self.axes)

    def _positive(self) -> Shape:
        return tuple(axis + len(self.axes) if axis < 0 else axis for axis in self.axes)

    def order(self, axes: int) -> Shape:
        """`axes`, or all in reverse. Raises ShapeError if `axes` is for another number of axes."""
        if self.axes and len(self.axes) != axes:
            raise ShapeError("transpose: data", expected=f"{len(self.axes)} axes", got=f"{axes}")
        return self._positive() or tuple(range(axes))[::-1]


class SwapAxis(_Permutation):
    """data with the axes dim1 and dim2 exchanged."""

    aliases = ("swapaxes",)
    dim1 = Int(0)
    dim2 = Int(0)

    def order(self, axes: int) -> Shape:
        """The identity with dim1 and dim2 exchanged. Raises ShapeError if there is no such axis."""
        first, second = (normal_axis("SwapAxis", dim, axes, "dim") for dim in (self.dim1, self.dim2))
        order = list(range(axes))
        order[first], order[second] = second, first
        return tuple(order)


class ExpandDims(BaseView):
    """data with a new axis of extent 1 at position `axis` of the output; negative positions count from its end."""

    canonical = "expand_dims"
    axis = Int()

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True if the new axis comes before the batch; for a negative `axis` that depends on the shapes."""
        return is_batch_axis(self.axis, in_shapes, added=1)  # counted on the output

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Data's shape from the output's, and the reverse. Raises ShapeError if they contradict each other."""
        data, out = in_shapes[0], out_shapes[0]
        if out:
            axis = normal_axis("expand_dims", self.axis, len(out))
            data = merge(data, (*out[:axis], *out[axis + 1 :]), "expand_dims: data")
        if data is not None:
            axis = normal_axis("expand_dims", self.axis, len(data) + 1)
            out = merge(out, (*data[:axis], 1, *data[axis:]), "expand_dims: output")
        return [data], [out]


class Squeeze(BaseView):
    """data without the axes of extent 1 that `axis` names, or without all axes of extent 1; one axis always stays."""

    canonical = "squeeze"
    axis = Optional(Ints())

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True if the batch axis may be dropped, even if only in a slice of a single row."""
        if self.axis is None or not in_shapes:
            return self.axis is None or any(axis <= 0 for axis in self.axis)
        return 0 in self._dropped(in_shapes[0])

    def _dropped(self, data: Shape) -> set[int]:
        if self.axis is None:
            return {axis for axis, extent in enumerate(data) if extent == 1}
        dropped = {normal_axis("squeeze", axis, len(data)) for axis in self.axis}
        if any(data[axis] > 1 for axis in dropped):
            raise ShapeError("squeeze: data", expected=f"extent 1 on axis {self.axis}", got=data)
        return dropped

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Output from data; data's extents from the output once its number of axes is known.

        Raises ShapeError if an axis that `axis` names is missing or longer than 1.
        """
        data, out = in_shapes[0], out_shapes[0]
        if data is None or (self.axis is None and 0 in data):  # an unknown extent may turn out to be 1
            return in_shapes, out_shapes
        dropped = self._dropped(data)
        kept = [axis for axis in range(len(data)) if axis not in dropped]
        out = merge(out, tuple(data[axis] for axis in kept) or (1,), "squeeze: output")
        assert out is not None
        extents = dict(zip(kept, out, strict=False))  # not strict: if nothing is kept, out still has one axis
        return [tuple(extents.get(axis, 1) for axis in range(len(data)))], [out]
