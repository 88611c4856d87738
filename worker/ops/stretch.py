"""Operators that repeat data: broadcast_to, broadcast_axis, broadcast_like, tile and repeat.

Forward copies by broadcasting, and backward sums over the copies; tile and repeat first view their arrays so that the
copies have an axis of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...common.errors import ParameterError, ShapeError
from ..array import Array, Arrays, Gradients, Shape
from .broadcast import sum_to
from .operator import Operator, PartialShape, Step
from .parameters import Int, Ints, Optional
from .shapes import normal_axis, product


class _Stretch(Operator, abstract=True):
    """Stretch data's extents of 1 to those of `target`."""

    def target(self, data: Shape, shapes: Sequence[Shape]) -> Shape:
        """The output's shape, for data's shape `data` and the shapes of all inputs. Raises ShapeError if none fits."""
        raise NotImplementedError

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True if one row becomes many."""
        return not in_shapes or self.target(in_shapes[0], in_shapes)[0] != in_shapes[0][0]

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """The output's shape from the inputs'. Raises ShapeError if an extent other than 1 would have to change."""
        if any(shape is None for shape in in_shapes):
            return in_shapes, out_shapes
        shapes = [shape for shape in in_shapes if shape is not None]
        out = self.target(shapes[0], shapes)
        # numpy would stretch by its own rules; a target that shrinks data or repeats an extent of 2 is an error.
        if any(n not in (0, 1) and n != m for n, m in zip(shapes[0], out, strict=True)):
            raise ShapeError(f"{self.op_name()}: data", expected=f"extents 1 or those of {out}", got=shapes[0])
        return in_shapes, [out]

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy data, stretched."""
        outputs[0][...] = inputs[0]

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """The sum over the axes that were stretched; zero for a second input, which only lends its shape."""
        if in_grads[0] is not None:
            sum_to(step.xp, out_grads[0], in_grads[0])
        for grad in in_grads[1:]:
            if grad is not None:
                grad.fill(0)


class BroadcastTo(_Stretch):
    """data with its extents of 1 stretched to those of `shape`, where 0 means data's own extent."""

    canonical = "broadcast_to"
    shape = Ints((), minimum=0)

    def target(self, data: Shape, shapes: Sequence[Shape]) -> Shape:
        """`shape`, its zeros replaced by data's extents. Raises ShapeError if data has another number of axes."""
        if len(data) != len(self.shape):
            raise ShapeError("broadcast_to: data", expected=f"{len(self.shape)} axes", got=data)
        return tuple(wanted or extent for wanted, extent in zip(self.shape, data, strict=True))


class BroadcastAxis(_Stretch):
    """data with its extent of 1 on each of `axis` stretched to the extents `size`."""

    canonical = "broadcast_axis"
    aliases = ("broadcast_axes",)
    axis = Ints(())
    size = Ints((), minimum=1)

    def check(self) -> None:
        """Raise ParameterError unless there is one size for each axis."""
        if len(self.size) != len(self.axis):
            raise ParameterError("broadcast_axis: parameter size", expected=f"{len(self.axis)} numbers", got=self.size)

    def target(self, data: Shape, shapes: Sequence[Shape]) -> Shape:
        """data's shape with `size` on the axes `axis`. Raises ShapeError if data has no such axis."""
        out = list(data)
        for axis, size in zip(self.axis, self.size, strict=True):
            out[normal_axis("broadcast_axis", axis, len(data))] = size
        return tuple(out)


class BroadcastLike(_Stretch):
    """lhs with its extents of 1 stretched to those of rhs: on all axes, or on each of lhs_axes to that of rhs_axes."""

    canonical = "broadcast_like"
    lhs_axes = Optional(Ints())
    rhs_axes = Optional(Ints())

    def check(self) -> None:
        """Raise ParameterError unless lhs_axes and rhs_axes have the same length."""
        if len(self.lhs_axes or ()) != len(self.rhs_axes or ()):
            raise ParameterError(
                "broadcast_like: parameter rhs_axes", expected=f"as many as in {self.lhs_axes}", got=self.rhs_axes
            )

    def arguments(self) -> tuple[str, ...]:
        """lhs, and rhs, of which only the shape matters."""
        return ("lhs", "rhs")

    def target(self, data: Shape, shapes: Sequence[Shape]) -> Shape:
        """rhs's shape, or lhs's with the extents of rhs on the named axes.

        Raises ShapeError if the number of axes differs or a named axis does not exist.
        """
        like = shapes[1]
        if self.lhs_axes is None:
            if len(like) != len(data):
                raise ShapeError("broadcast_like: rhs", expected=f"{len(data)} axes", got=like)
            return like
        out = list(data)
        for left, right in zip(self.lhs_axes, self.rhs_axes, strict=True):
            axis = normal_axis("broadcast_like", left, len(data))
            out[axis] = like[normal_axis("broadcast_like", right, len(like))]
        return tuple(out)


class Tile(Operator):
    """data put side by side `reps` times along each axis; axes are matched from the last, missing ones are added."""

    canonical = "tile"
    reps = Ints(minimum=1)

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True if the batch axis is repeated or a new axis comes before it."""
        return not in_shapes or self._factors(in_shapes[0])[1][0] != 1 or len(self.reps) > len(in_shapes[0])

    def _factors(self, data: Shape) -> tuple[Shape, Shape]:
        """data's extents and the numbers of copies, both for all axes of the output."""
        axes = max(len(data), len(self.reps))
        return (1,) * (axes - len(data)) + data, (1,) * (axes - len(self.reps)) + self.reps

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """The output's shape from data's."""
        if in_shapes[0] is None:
            return in_shapes, out_shapes
        return in_shapes, [tuple(n * times for n, times in zip(*self._factors(in_shapes[0]), strict=True))]

    def _copies(self, out: Array, data: Array) -> tuple[Array, Array]:
        """Views of both arrays in which axes 1, 3, ... are data's and axes 0, 2, ... count the copies."""
        extents, reps = self._factors(data.shape)
        # data (2, 3) with reps (4, 5) gives the output (8, 15), viewed as (4, 2, 5, 3), and data as (1, 2, 1, 3).
        split = tuple(size for pair in zip(reps, extents, strict=True) for size in pair)
        return out.reshape(split), data.reshape(tuple(size for extent in extents for size in (1, extent)))

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy data `reps` times along each axis."""
        out, data = self._copies(outputs[0], inputs[0])
        out[...] = data

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """The sum over the copies."""
        if in_grads[0] is not None:
            sum_to(step.xp, *self._copies(out_grads[0], in_grads[0]))


class Repeat(Operator):
    """Each element of data `repeats` times in a row along `axis`, or of the flattened data if that is None."""

    canonical = "repeat"
    repeats = Int(minimum=1)
    axis = Optional(Int())

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True if `axis` is the batch axis or None; whether a negative one is it depends on the shapes."""
        return self.axis is None or not in_shapes or normal_axis("repeat", self.axis, len(in_shapes[0])) == 0

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """The output's shape from data's. Raises ShapeError if data has no axis `axis`."""
        data = in_shapes[0]
        if data is None:
            return in_shapes, out_shapes
        if self.axis is None:  # 0, unknown, while any extent of data is
            return in_shapes, [(product(data) * self.repeats,)]
        axis = normal_axis("repeat", self.axis, len(data))
        return in_shapes, [(*data[:axis], data[axis] * self.repeats, *data[axis + 1 :])]

    def _copies(self, out: Array, data: Array) -> tuple[Array, Array]:
        """Views (n, repeats, rest) and (n, 1, rest): n elements up to and including `axis`, rest after it."""
        # Along an axis, everything after it is copied as one block; without one, each element is.
        axes = data.ndim if self.axis is None else self.axis % data.ndim + 1
        before, rest = product(data.shape[:axes]), product(data.shape[axes:])
        return out.reshape(before, self.repeats, rest), data.reshape(before, 1, rest)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy each element `repeats` times."""
        out, data = self._copies(outputs[0], inputs[0])
        out[...] = data

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """The sum over the copies."""
        if in_grads[0] is not None:
            sum_to(step.xp, *self._copies(out_grads[0], in_grads[0]))
