"""Pad: a border around images or volumes."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.errors import ParameterError, ShapeError
from ..array import Arrays, Gradients, Shape
from .operator import Operator, PartialShape, Step
from .parameters import Choice, Float, Ints
from .shapes import merge

Index = tuple[slice, ...]


class Pad(Operator):
    """data (N, C, H, W) or (N, C, D, H, W) with a border added along its spatial axes.

    pad_width holds, for each axis, the widths before and after; the first four numbers must be 0. mode "constant"
    fills the border with constant_value, "edge" repeats the outermost pixels, "reflect" mirrors data at them without
    repeating them (the border must then be narrower than data).
    """

    aliases = ("pad",)
    mode = Choice("constant", "edge", "reflect")
    pad_width = Ints(minimum=0)
    constant_value = Float(0.0)

    def check(self) -> None:
        """Raise ParameterError unless pad_width has two numbers for each of 4 or 5 axes, 0 for rows and channels."""
        if len(self.pad_width) not in (8, 10) or any(self.pad_width[:4]):
            expected = "8 or 10 numbers, two per axis, the first four 0"
            raise ParameterError("Pad: parameter pad_width", expected=expected, got=self.pad_width)

    def _borders(self) -> list[tuple[int, int]]:
        """The widths before and after, for each axis."""
        return list(zip(self.pad_width[::2], self.pad_width[1::2], strict=True))

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Data's shape from the output's, and the reverse.

        Raises ShapeError if the number of axes is not that of pad_width, or if a mirrored border is too wide.
        """
        data, out, borders = in_shapes[0], out_shapes[0], self._borders()
        for shape in (data, out):
            if shape is not None and len(shape) != len(borders):
                raise ShapeError("Pad: data", expected=f"{len(borders)} axes, one per pair in pad_width", got=shape)
        if out is not None:
            # Never below 0, which an unknown extent of the output would give.
            inner = tuple(max(n - sum(border), 0) for n, border in zip(out, borders, strict=True))
            data = merge(data, inner, "Pad: data")
        if data is not None:
            wide = tuple(n and n + sum(border) for n, border in zip(data, borders, strict=True))
            out = merge(out, wide, "Pad: output")
            self._check_mirror(data)
        return [data], [out]

    def _check_mirror(self, data: Shape) -> None:
        for extent, border in zip(data, self._borders(), strict=True):
            if self.mode == "reflect" and extent and max(border) >= extent:
                raise ShapeError("Pad: data", expected=f"extents larger than the border {max(border)}", got=data)

    def _inside(self, data: Shape) -> Index:
        return tuple(slice(first, first + n) for n, (first, _) in zip(data, self._borders(), strict=True))

    def _sources(self, data: Shape) -> Iterator[tuple[Index, Index]]:
        """For "edge" and "reflect": the index of each part of the border and of its source, axis by axis.

        A part spans the full extent of all other axes. Borders of earlier axes are filled by then, so that those of
        later axes copy them into the corners.
        """
        for axis, (before, after) in enumerate(self._borders()):
            first, last = before, before + data[axis] - 1
            for width, target, edge, way in (
                (before, slice(0, before), first, 1),
                (after, slice(last + 1, last + 1 + after), last, -1),
            ):
                if width:
                    source = slice(edge, edge + 1) if self.mode == "edge" else _mirrored(edge, width, way)
                    all_before = (slice(None),) * axis
                    yield (*all_before, target), (*all_before, source)

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Copy data to the inside, then fill the border along one axis after the other, corners included."""
        data, out = inputs[0], outputs[0]
        if self.mode == "constant":
            out.fill(self.constant_value)
        # In modes edge and reflect the border is not filled before: every pixel of it is written below.
        out[self._inside(data.shape)] = data
        if self.mode != "constant":
            for target, source in self._sources(data.shape):
                out[target] = out[source]

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Add the gradient of each part of the border to its source, in the reverse order of forward."""
        if in_grads[0] is None:
            return
        data, dy = inputs[0], out_grads[0]
        if self.mode != "constant":
            dy = dy.copy()  # out_grads belongs to the executor and must not change
            for target, source in reversed([*self._sources(data.shape)]):
                axis = len(target) - 1
                part = dy[target]
                # "edge" repeats one pixel over the whole width, "reflect" uses each pixel once.
                dy[source] += step.xp.sum(part, axis=axis, keepdims=True) if self.mode == "edge" else part
        in_grads[0][...] = dy[self._inside(data.shape)]


def _mirrored(edge: int, width: int, way: int) -> slice:
    """The `width` places inwards from `edge` (upwards if `way` is 1), in the order in which the border repeats them."""
    nearest, farthest = edge + way, edge + way * width
    # A downward slice that includes place 0 must end at None: -1 would mean the last place.
    if way > 0:
        return slice(farthest, nearest - 1 if nearest else None, -1)
    return slice(nearest, farthest - 1 if farthest else None, -1)
