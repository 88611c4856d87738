"""Crop: a rectangle cut out of each image."""

from __future__ import annotations

from collections.abc import Sequence

from ...common.errors import ParameterError, ShapeError
from ..array import Arrays, Gradients, Shape
from .operator import Operator, PartialShape, Step
from .parameters import Bool, Int, Ints
from .shapes import merge, merge_rows


class Crop(Operator):
    """arg0 (N, C, H, W) cut to height and width `h_w`, or with num_args=2 to those of arg1, which gets no gradient.

    The window begins at `offset` (y, x); with center_crop it is in the middle, (H - height) // 2 rows from the top.
    """

    variadic = True
    num_args = Int(minimum=1, maximum=2)
    offset = Ints((0, 0), minimum=0)
    h_w = Ints((0, 0), minimum=0)
    center_crop = Bool(False)

    def check(self) -> None:
        """Raise ParameterError unless offset and h_w are pairs and the size is given, by h_w or by a second input."""
        for name, value in (("offset", self.offset), ("h_w", self.h_w)):
            if len(value) != 2:
                raise ParameterError(f"Crop: parameter {name}", expected="two numbers, for y and x", got=value)
        if self.num_args == 1 and not all(self.h_w):
            raise ParameterError(
                "Crop: parameter h_w", expected="a height and a width, or a second input", got=self.h_w
            )

    def arguments(self) -> tuple[str, ...]:
        """arg0, and arg1 if there are two."""
        return ("arg0", "arg1")[: self.num_args]

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """The output from data and the size; the batch size from the output.

        Raises ShapeError unless all shapes have 4 axes and the window lies inside data.
        """
        for shape in (*in_shapes, *out_shapes):
            if shape is not None and len(shape) != 4:
                raise ShapeError("Crop: data", expected="4 axes (N, C, H, W)", got=shape)
        data, out = in_shapes[0], out_shapes[0]
        if data is None:
            return in_shapes, out_shapes
        out = merge(out, (*data[:2], *self._size(in_shapes)), "Crop: output")
        assert out is not None
        self._check_window(data, out)
        return [merge_rows(data, out, "Crop: data"), *in_shapes[1:]], [out]

    def _size(self, shapes: Sequence[PartialShape]) -> Shape:
        """Height and width of the window; zeros while arg1's shape is unknown."""
        if self.num_args == 1:
            return self.h_w
        like = shapes[1]  # rows and channels of arg1 do not matter
        return (0, 0) if like is None else like[2:]

    def _check_window(self, data: Shape, out: Shape) -> None:
        if all(data[2:]) and all(out[2:]):  # nothing to check yet while an extent is unknown
            window = self._window(data, out)[2:]
            if any(part.start < 0 or part.stop > extent for part, extent in zip(window, data[2:], strict=True)):
                raise ShapeError("Crop: data", expected=f"room for {out[2:]} at {self._offset(data, out)}", got=data)

    def _offset(self, data: Shape, out: Shape) -> Shape:
        if self.center_crop:
            return tuple((whole - part) // 2 for whole, part in zip(data[2:], out[2:], strict=True))
        return self.offset

    def _window(self, data: Shape, out: Shape) -> tuple[slice, ...]:
        places = zip(self._offset(data, out), out[2:], strict=True)
        return (slice(None), slice(None), *(slice(first, first + extent) for first, extent in places))

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy the window of every image and channel."""
        outputs[0][...] = inputs[0][self._window(inputs[0].shape, outputs[0].shape)]

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """The gradient inside the window, zero around it and for arg1."""
        for grad in in_grads:
            if grad is not None:
                grad.fill(0)
        if in_grads[0] is not None:
            in_grads[0][self._window(inputs[0].shape, outputs[0].shape)] = out_grads[0]
