"""The geometry that convolution and pooling share: windows that move over the spatial axes of (N, C, ...) data."""

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
    """The windows over spatial axes; all tuples have one entry per axis, in pixels.

    A tap is one place of the kernel: tap t of window o reads the padded input at o * stride + t * dilate.
    """

    kernel: Shape
    stride: Shape
    pad: Shape
    dilate: Shape

    @classmethod
    def of(cls, operator: str, kernel: Shape, stride: Shape, pad: Shape, dilate: Shape = ()) -> Windows:
        """Make them from an operator's parameters; an empty tuple means stride 1, pad 0 or dilate 1.

        Raises ParameterError, naming `operator`, if a tuple is neither empty nor as long as kernel.
        """
        axes = len(kernel)
        for name, values in (("stride", stride), ("pad", pad), ("dilate", dilate)):
            if values and len(values) != axes:
                raise ParameterError(
                    f"{operator}: parameter {name}", expected=f"{axes} numbers, as many as in kernel", got=values
                )
        return cls(kernel, stride or (1,) * axes, pad or (0,) * axes, dilate or (1,) * axes)

    def span(self) -> Shape:
        """The extent of one window on each axis, with the gaps that dilate leaves."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilate, strict=True))

    def reach(self, count: Shape) -> Shape:
        """The extent of padded input that `count` windows read, on each axis."""
        return tuple((n - 1) * s + r for n, s, r in zip(count, self.stride, self.span(), strict=True))

    def check_data(self, operator: str, data: PartialShape) -> None:
        """Raise ShapeError unless data is (N, C) and the spatial axes, each, if known, as large as a window."""
        if data is None:
            return
        if len(data) != len(self.kernel) + 2:
            raise ShapeError(
                f"{operator}: data", expected=f"{len(self.kernel) + 2} axes for kernel {self.kernel}", got=data
            )
        for extent, p, span in zip(data[2:], self.pad, self.span(), strict=True):
            if extent and extent + 2 * p < span:  # an extent of 0 is unknown
                raise ShapeError(
                    f"{operator}: data",
                    expected=f"extents of at least {span} with padding",
                    got=data,
                    remedy="Give larger data, a smaller kernel, or more padding",
                )

    def taps(self, count: Shape) -> Iterator[tuple[Shape, tuple[Any, ...]]]:
        """Yield each tap of the kernel in row-major order, with the index of what all `count` windows read at it.

        The index applies to the padded input and selects (N, C, *count), one element per window.
        """
        for tap in product(*(range(k) for k in self.kernel)):
            yield tap, (..., *map(self._stretch, tap, count, self.stride, self.dilate))

    @staticmethod
    def _stretch(tap: int, count: int, stride: int, dilate: int) -> slice:
        """What all windows read at that tap, along one axis: every `stride`-th element, `count` of them."""
        start = tap * dilate
        return slice(start, start + (count - 1) * stride + 1, stride)

    def padded(self, xp: Any, data: Array, count: Shape, fill: float = 0) -> Array:
        """A copy of data (N, C, ...) inside a border of `fill`, as large as `count` windows reach."""
        # With pooling_convention "full" the last windows reach beyond the padding; with a stride the windows may end
        # before data does, which is kept whole all the same.
        extents = [max(r, p + n) for r, p, n in zip(self.reach(count), self.pad, data.shape[2:], strict=True)]
        padded: Array = xp.full((*data.shape[:2], *extents), fill, dtype=data.dtype)
        padded[self.inside(data.shape)] = data
        return padded

    def inside(self, data: Shape) -> tuple[Any, ...]:
        """The index, into what `padded` returns, of data itself, whose shape is `data`."""
        return (..., *(slice(p, p + n) for p, n in zip(self.pad, data[2:], strict=True)))
