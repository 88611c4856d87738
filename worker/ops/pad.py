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
    """data (N, C, H, W) or (N, C, D, H, W) with a border along its spatial axes.

    pad_width holds, for every axis, how much goes before and after; the first four numbers must be 0. mode "constant"
    fills the border with constant_value, "edge" continues the outermost pixels, "reflect" mirrors at these (a border
    is then narrower than data).
    """

    aliases = ("pad",)
    mode = Choice("constant", "edge", "reflect")
    pad_width = Ints(minimum=0)
    constant_value = Float(0.0)

    def check(self) -> None:
        """Two numbers for each of four or five axes, none for rows and channels."""
        if len(self.pad_width) not in (8, 10) or any(self.pad_width[:4]):
            expected = "8 or 10 numbers, two per axis, the first four 0"
            raise ParameterError("Pad: parameter pad_width", expected=expected, got=self.pad_width)

    def _borders(self) -> list[tuple[int, int]]:
        """Before and after, for each axis."""
        return list(zip(self.pad_width[::2], self.pad_width[1::2], strict=True))

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Each from the other."""
        data, out, borders = in_shapes[0], out_shapes[0], self._borders()
        for shape in (data, out):
            if shape is not None and len(shape) != len(borders):
                raise ShapeError("Pad: data", expected=f"{len(borders)} axes, as pad_width has pairs", got=shape)
        if out is not None:
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
                raise ShapeError("Pad: data", expected=f"extents above the border {max(border)} to reflect", got=data)

    def _inside(self, data: Shape) -> Index:
        return tuple(slice(first, first + n) for n, (first, _) in zip(data, self._borders(), strict=True))

    def _sources(self, data: Shape) -> Iterator[tuple[Index, Index]]:
        """For "edge" and "reflect": each part of the border, and where its pixels come from, axis by axis."""
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
        """Data inside; then the border along one axis after the other, corners included."""
        data, out = inputs[0], outputs[0]
        if self.mode == "constant":
            out.fill(self.constant_value)
        out[self._inside(data.shape)] = data
        if self.mode != "constant":
            for target, source in self._sources(data.shape):
                out[target] = out[source]

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """The way back: each border's gradient is added to where its pixels came from."""
        if in_grads[0] is None:
            return
        data, dy = inputs[0], out_grads[0]
        if self.mode != "constant":
            dy = dy.copy()
            for target, source in reversed([*self._sources(data.shape)]):
                axis = len(target) - 1
                part = dy[target]
                dy[source] += part.sum(axis=axis, keepdims=True) if self.mode == "edge" else part
        in_grads[0][...] = dy[self._inside(data.shape)]


def _mirrored(edge: int, width: int, way: int) -> slice:
    """The `width` places beyond `edge` inwards (`way` 1: upwards), in the order in which the border shows them."""
    nearest, farthest = edge + way, edge + way * width
    if way > 0:
        return slice(farthest, nearest - 1 if nearest else None, -1)
    return slice(nearest, farthest - 1 if farthest else None, -1)
