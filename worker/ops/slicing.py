"""Operators that take a part of an array that Python's slices describe: slice, slice_axis, slice_like and reverse.

Forward copies a view, and backward writes to the same view of the gradient; the base class does both.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...common.errors import ParameterError, ShapeError
from ..array import Array, Arrays, Gradients, Shape
from .operator import Operator, PartialShape, Step
from .parameters import Int, Ints, Optional, Parameter, read_literal
from .shapes import is_batch_axis, merge, normal_axis


class Bounds(Parameter[tuple[int | None, ...]]):
    """The begin, end or step of a slice on each axis; None is its default there. In JSON "(0, None)"."""

    kind = "a tuple of whole numbers or None"

    def parse(self, value: object) -> tuple[int | None, ...]:
        """Accept tuples, lists and their text; a lone number or None is a tuple of one.

        Raises ValueError, TypeError or SyntaxError for anything else.
        """
        if isinstance(value, str):
            value = read_literal(value)
        items = (value,) if value is None or hasattr(value, "__index__") else tuple(value)  # type: ignore[arg-type]
        return tuple(Optional(Int()).parse(item) for item in items)


class _Part(Operator, abstract=True):
    """The output is data[index]; a subclass defines `index`."""

    def index(self, data: Shape, shapes: Sequence[Shape]) -> tuple[slice, ...]:
        """A slice for each axis of data, whose shape is `data` (0: unknown extent); `shapes` are those of all inputs.

        Raises ShapeError if the part does not lie in data.
        """
        raise NotImplementedError

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Output from data, and from the output the extents of axes that are taken whole.

        Raises ShapeError if the part does not lie in data or nothing is left of an axis.
        """
        if in_shapes[0] is None or any(shape is None for shape in in_shapes):
            return in_shapes, out_shapes
        data = in_shapes[0]
        index = self.index(data, [shape or () for shape in in_shapes])
        found = tuple(map(self._extent, range(len(data)), data, index))
        out = merge(out_shapes[0], found, f"{self.op_name()}: output")
        assert out is not None
        # An unknown extent of data equals the output's where the axis is taken whole, in either direction.
        whole = (
            n or (m if part in (slice(None), slice(None, None, -1)) else 0)
            for n, m, part in zip(data, out, index, strict=True)
        )
        return [tuple(whole), *in_shapes[1:]], [out]

    def _extent(self, axis: int, extent: int, part: slice) -> int:
        """How many elements the slice takes from an axis of that extent; 0 if that is unknown."""
        length = len(range(*part.indices(extent)))  # of an unknown extent, 0, every slice has length 0, unknown as well
        if extent and not length:
            raise ShapeError(
                f"{self.op_name()}: data", expected=f"elements left on axis {axis}", got=f"extent {extent}"
            )
        return length

    def _view(self, array: Array, inputs: Arrays) -> Array:
        """The part of `array`, of data's shape, as a view."""
        return array[self.index(array.shape, [item.shape for item in inputs])]

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy the part."""
        outputs[0][...] = self._view(inputs[0], inputs)

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """The gradient inside the part, zero elsewhere and for other inputs."""
        for grad in in_grads:
            if grad is not None:
                grad.fill(0)
        if in_grads[0] is not None:
            self._view(in_grads[0], inputs)[...] = out_grads[0]


class Slice(_Part):
    """data[begin[0]:end[0]:step[0], begin[1]:end[1]:step[1], ...] with Python's rules; axes not named stay whole."""

    canonical = "slice"
    aliases = ("crop",)
    begin = Bounds()
    end = Bounds()
    step = Bounds(())

    def check(self) -> None:
        """Raise ParameterError unless begin, end and step (if given) are equally long and no step is 0."""
        if len(self.end) != len(self.begin):
            raise ParameterError("slice: parameter end", expected=f"{len(self.begin)} numbers", got=self.end)
        if len(self.step) not in (0, len(self.begin)) or 0 in self.step:
            raise ParameterError("slice: parameter step", expected=f"{len(self.begin)} numbers, not 0", got=self.step)

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True unless the batch axis is taken whole."""
        return self._named()[:1] not in ([], [slice(None)])

    def _named(self) -> list[slice]:
        """The slices of the axes that begin and end name."""
        steps = self.step or (None,) * len(self.begin)
        # A step of 1 becomes None, so that a whole axis always compares equal to slice(None).
        parts = zip(self.begin, self.end, steps, strict=True)
        return [slice(begin, end, None if step == 1 else step) for begin, end, step in parts]

    def index(self, data: Shape, shapes: Sequence[Shape]) -> tuple[slice, ...]:
        """The slices that are given, then whole axes. Raises ShapeError if data has fewer axes than are given."""
        named = self._named()
        if len(named) > len(data):
            raise ShapeError("slice: data", expected=f"at least {len(named)} axes", got=data)
        return (*named, *(slice(None),) * (len(data) - len(named)))


class SliceAxis(_Part):
    """data from `begin` up to, not including, `end` (None: the end) along `axis`; negative ones count from the end."""

    canonical = "slice_axis"
    axis = Int()
    begin = Int()
    end = Optional(Int())

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True if `axis` is the batch axis; whether a negative one is it depends on the shapes."""
        return is_batch_axis(self.axis, in_shapes)

    def index(self, data: Shape, shapes: Sequence[Shape]) -> tuple[slice, ...]:
        """The slice on `axis`, whole axes elsewhere. Raises ShapeError if begin or end lies outside data."""
        axis = normal_axis("slice_axis", self.axis, len(data))
        extent = data[axis]
        # Stricter than Python, which would cut the bounds to the extent without a word.
        if extent and not (-extent <= self.begin < extent and (self.end is None or -extent <= self.end <= extent)):
            bounds = f"{self.begin}:{'' if self.end is None else self.end}"
            raise ShapeError("slice_axis: data", expected=f"an axis {axis} that holds {bounds}", got=data)
        parts = [slice(None)] * len(data)
        parts[axis] = slice(self.begin or None, self.end)  # None for 0, so that a whole axis equals slice(None)
        return tuple(parts)


class SliceLike(_Part):
    """The first elements of data, as many as shape_like has along `axes` (all axes if none is named)."""

    canonical = "slice_like"
    axes = Ints(())

    def arguments(self) -> tuple[str, ...]:
        """data and shape_like, of which only the shape matters."""
        return ("data", "shape_like")

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True if the batch axis is cut, or may be because the shapes are not given."""
        return not in_shapes or in_shapes[0][0] != self.index(in_shapes[0], in_shapes)[0].indices(in_shapes[0][0])[1]

    def index(self, data: Shape, shapes: Sequence[Shape]) -> tuple[slice, ...]:
        """On each axis from 0 to shape_like's extent. Raises ShapeError if that is larger than data's."""
        like, parts = shapes[1], [slice(None)] * len(data)
        for named in self.axes or range(len(data)):
            axis = normal_axis("slice_like", named, len(data))
            limit = like[normal_axis("slice_like", named, len(like))]  # may be 0, unknown, and then the part is, too
            if data[axis] and limit > data[axis]:
                raise ShapeError(f"slice_like: shape_like on axis {axis}", expected=f"at most {data[axis]}", got=limit)
            parts[axis] = slice(limit)
        return tuple(parts)


class Reverse(_Part):
    """data with its elements in reverse order along each of `axis`."""

    canonical = "reverse"
    aliases = ("flip",)
    axis = Ints()

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True if the batch axis is reversed; whether a negative axis is it depends on the shapes."""
        if not in_shapes:
            return any(axis <= 0 for axis in self.axis)
        return any(normal_axis("reverse", axis, len(in_shapes[0])) == 0 for axis in self.axis)

    def index(self, data: Shape, shapes: Sequence[Shape]) -> tuple[slice, ...]:
        """A slice with step -1 on each of `axis`, whole axes elsewhere. Raises ShapeError if there is no such axis."""
        parts = [slice(None)] * len(data)
        for axis in self.axis:
            parts[normal_axis("reverse", axis, len(data))] = slice(None, None, -1)
        return tuple(parts)
