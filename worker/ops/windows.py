"""The geometry that convolution and pooling share: windows that walk over the spatial axes of (N, C, ...) data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from ...common.errors import ParameterError, ShapeError
from ..array import Array, Shape
from .operator import PartialShape


@dataclass(frozen=True)
class Windows:
    """One tuple entry per spatial axis; tap t of window o reads the padded input at o * stride + t * dilate."""

    kernel: Shape
    stride: Shape
    pad: Shape
    dilate: Shape

    @classmethod
    def of(cls, operator: str, kernel: Shape, stride: Shape, pad: Shape, dilate: Shape = ()) -> Windows:
        """Empty tuples mean stride 1, pad 0, dilate 1; ParameterError if another length differs from the kernel's."""
        axes = len(kernel)
        for name, values in (("stride", stride), ("pad", pad), ("dilate", dilate)):
            if values and len(values) != axes:
                raise ParameterError(
                    f"{operator}: parameter {name}", expected=f"{axes} numbers, as kernel has", got=values
                )
        return cls(kernel, stride or (1,) * axes, pad or (0,) * axes, dilate or (1,) * axes)

    def span(self) -> Shape:
        """Extent of one window, holes included."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilate, strict=True))

    def reach(self, count: Shape) -> Shape:
        """Extent of the padded input that `count` windows read."""
        return tuple((n - 1) * s + r for n, s, r in zip(count, self.stride, self.span(), strict=True))

    def check_data(self, operator: str, data: PartialShape) -> None:
        """ShapeError unless data is (N, C) and the spatial axes, each large enough for one window."""
        if data is None:
            return
        if len(data) != len(self.kernel) + 2:
            raise ShapeError(
                f"{operator}: data", expected=f"{len(self.kernel) + 2} axes for kernel {self.kernel}", got=data
            )
        for extent, p, span in zip(data[2:], self.pad, self.span(), strict=True):
            if extent and extent + 2 * p < span:
                raise ShapeError(f"{operator}: data", expected=f"extents of at least {span} with padding", got=data)

    def taps(self, count: Shape) -> Iterator[tuple[Shape, tuple[Any, ...]]]:
        """Each tap of the kernel in row-major order, with the index of what all `count` windows read there."""
        for tap in product(*(range(k) for k in self.kernel)):
            yield tap, (..., *map(self._stretch, tap, count, self.stride, self.dilate))

    @staticmethod
    def _stretch(tap: int, count: int, stride: int, dilate: int) -> slice:
        start = tap * dilate
        return slice(start, start + (count - 1) * stride + 1, stride)

    def padded(self, xp: Any, data: Array, count: Shape, fill: float = 0) -> Array:
        """A copy of data inside a border of `fill`, as far as `count` windows reach."""
        extents = [max(r, p + n) for r, p, n in zip(self.reach(count), self.pad, data.shape[2:], strict=True)]
        padded: Array = xp.full((*data.shape[:2], *extents), fill, dtype=data.dtype)
        padded[self.inside(data.shape)] = data
        return padded

    def inside(self, data: Shape) -> tuple[Any, ...]:
        """The index of the data within what `padded` returns."""
        return (..., *(slice(p, p + n) for p, n in zip(self.pad, data[2:], strict=True)))
