"""Operators that reduce axes to one value: sum, mean, max, min, prod, nansum, nanprod and norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...common.errors import ShapeError
from ..array import Array, Arrays, Gradients, Shape
from .operator import Operator, PartialShape, Step
from .parameters import Bool, DType, Int, Ints, Optional
from .shapes import merge, normal_axis, product


class _Reduction(Operator, abstract=True):
    """A subclass reduces with `fold`, and gives with `slope` the gradient of each element.

    In both, `data` has the input's shape and `axes` are the reduced axes; `out` in `fold`, and `y` and `dy` in `slope`,
    have data's shape with extent 1 on these, whether or not the operator keeps them.
    """

    axis = Optional(Ints())
    keepdims = Bool(False)

    def folded(self, axes: int) -> Shape:
        """The axes that are reduced, in ascending order, out of that many; all of them if `axis` is not given.

        Raises ShapeError if an axis is missing or named twice.
        """
        if not self.axis:  # None or (): MXNet takes both for all axes
            return tuple(range(axes))
        named = sorted(normal_axis(self.op_name(), axis, axes) for axis in self.axis)
        if len(set(named)) < len(named):
            raise ShapeError(f"{self.op_name()}: axis", expected="each axis once", got=self.axis)
        return tuple(named)

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True if the batch axis is reduced, or may be because the shapes are not given."""
        return not in_shapes or 0 in self.folded(len(in_shapes[0]))

    def keeps_rows_apart(self, in_shapes: Sequence[Shape], axes: Sequence[int | None]) -> bool:
        """True where other axes are reduced."""
        return axes[0] not in self.folded(len(in_shapes[0]))

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Output from data, and from the output the extents of the axes that stay.

        Raises ShapeError if `axis` does not fit data or the shapes contradict each other.
        """
        data, out = in_shapes[0], out_shapes[0]
        if data is None:
            return in_shapes, out_shapes
        folded = self.folded(len(data))
        kept = [axis for axis in range(len(data)) if axis not in folded]
        result = tuple(data[axis] for axis in kept) or (1,)  # MXNet 1.x has no arrays without axes
        out = merge(out, self._kept_shape(data) if self.keepdims else result, f"{self.op_name()}: output")
        assert out is not None
        # Not strict: if no axis is kept, the output still has one, of extent 1.
        extents = {axis: out[axis] for axis in kept} if self.keepdims else dict(zip(kept, out, strict=False))
        return [tuple(extents.get(axis, extent) for axis, extent in enumerate(data))], [out]

    def _kept_shape(self, data: Shape) -> Shape:
        """data's shape with extent 1 on the reduced axes."""
        folded = self.folded(len(data))
        return tuple(1 if axis in folded else extent for axis, extent in enumerate(data))

    def fold(self, xp: Any, data: Array, axes: Shape, out: Array) -> None:
        """Write the result to `out`, which has extent 1 on the reduced axes."""
        raise NotImplementedError

    def slope(self, xp: Any, data: Array, y: Array, dy: Array, axes: Shape, out: Array) -> None:
        """Write data's gradient to `out`, of data's shape; y and dy have extent 1 on the reduced axes."""
        raise NotImplementedError

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Reduce data."""
        data = inputs[0]
        self.fold(step.xp, data, self.folded(data.ndim), outputs[0].reshape(self._kept_shape(data.shape)))

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write each element's gradient, from that of the result it went into."""
        if in_grads[0] is not None:
            data, kept = inputs[0], self._kept_shape(inputs[0].shape)
            y, dy = outputs[0].reshape(kept), out_grads[0].reshape(kept)
            self.slope(step.xp, data, y, dy, self.folded(data.ndim), in_grads[0])


class _Excluding(_Reduction, abstract=True):
    """A reduction that can also be told which axes to keep."""

    exclude = Bool(False)

    def folded(self, axes: int) -> Shape:
        """The axes in `axis`, or with `exclude` all others; all of them if `axis` is not given."""
        named = super().folded(axes)
        if not self.exclude or not self.axis:
            return named
        return tuple(axis for axis in range(axes) if axis not in named)


class Sum(_Excluding):
    """The sum over `axis` (one, several, or all if none is named), or with `exclude` over all other axes.

    keepdims keeps the reduced axes with extent 1; if no axis is left, the output is (1,).
    """

    canonical = "sum"
    aliases = ("sum_axis",)

    def fold(self, xp: Any, data: Array, axes: Shape, out: Array) -> None:
        """y = sum x."""
        xp.sum(data, axis=axes, keepdims=True, out=out)

    def slope(self, xp: Any, data: Array, y: Array, dy: Array, axes: Shape, out: Array) -> None:
        """dy, stretched to data's shape."""
        out[...] = dy


class Mean(_Excluding):
    """The mean; axes as in sum."""

    canonical = "mean"

    def fold(self, xp: Any, data: Array, axes: Shape, out: Array) -> None:
        """y = sum x / n."""
        xp.mean(data, axis=axes, keepdims=True, out=out)

    def slope(self, xp: Any, data: Array, y: Array, dy: Array, axes: Shape, out: Array) -> None:
        """dy / n."""
        count = product(tuple(data.shape[axis] for axis in axes))  # from the axes alone: there may be no results
        xp.multiply(dy, 1 / max(1, count), out=out)


class Max(_Excluding):
    """The largest element; axes as in sum. If several are the largest, each gets the whole gradient."""

    canonical = "max"
    aliases = ("max_axis",)

    def fold(self, xp: Any, data: Array, axes: Shape, out: Array) -> None:
        """y = max x."""
        xp.max(data, axis=axes, keepdims=True, out=out)

    def slope(self, xp: Any, data: Array, y: Array, dy: Array, axes: Shape, out: Array) -> None:
        """dy where x is y."""
        xp.equal(data, y, out=out)  # 1 or 0, as floats
        xp.multiply(out, dy, out=out)


class Min(Max):
    """The smallest element; axes as in sum. If several are the smallest, each gets the whole gradient."""

    canonical = "min"
    aliases = ("min_axis",)

    def fold(self, xp: Any, data: Array, axes: Shape, out: Array) -> None:
        """y = min x."""
        xp.min(data, axis=axes, keepdims=True, out=out)


class Prod(_Excluding):
    """The product; axes as in sum. The gradient is correct next to zeros, too, where MXNet's is NaN."""

    canonical = "prod"

    def fold(self, xp: Any, data: Array, axes: Shape, out: Array) -> None:
        """y = prod x."""
        xp.prod(data, axis=axes, keepdims=True, out=out)

    def slope(self, xp: Any, data: Array, y: Array, dy: Array, axes: Shape, out: Array) -> None:
        """dy times the product of all other elements, which is 0 if any of them is.

        y / x would be 0 / 0 at a zero, so zeros are taken out of the product and counted.
        """
        is_zero = data == 0
        zeros = xp.sum(is_zero, axis=axes, keepdims=True)
        nonzero = xp.where(is_zero, 1, data)
        xp.divide(xp.prod(nonzero, axis=axes, keepdims=True), nonzero, out=out)
        # True where no other element is 0: there is no zero at all, or the only one is this element.
        xp.multiply(out, zeros == is_zero, out=out)
        xp.multiply(out, dy, out=out)


class NanSum(_Excluding):
    """The sum of the elements that are not NaN; axes as in sum."""

    canonical = "nansum"

    def fold(self, xp: Any, data: Array, axes: Shape, out: Array) -> None:
        """y = sum of the x that are not NaN."""
        xp.nansum(data, axis=axes, keepdims=True, out=out)

    def slope(self, xp: Any, data: Array, y: Array, dy: Array, axes: Shape, out: Array) -> None:
        """dy, and 0 where x is NaN."""
        xp.equal(data, data, out=out)  # 1 except where data is NaN
        xp.multiply(out, dy, out=out)


class NanProd(Prod):
    """The product of the elements that are not NaN; axes as in sum."""

    canonical = "nanprod"

    def fold(self, xp: Any, data: Array, axes: Shape, out: Array) -> None:
        """y = product of the x that are not NaN."""
        xp.nanprod(data, axis=axes, keepdims=True, out=out)

    def slope(self, xp: Any, data: Array, y: Array, dy: Array, axes: Shape, out: Array) -> None:
        """As prod with NaN counted as 1, and 0 where x is NaN."""
        is_nan = xp.isnan(data)
        # prod's formula works from data alone, so y, computed without the NaN, may be passed as it is.
        super().slope(xp, xp.where(is_nan, 1, data), y, dy, axes, out)
        xp.copyto(out, 0, where=is_nan)


class Norm(_Reduction):
    """The sum of absolute values (ord 1) or the root of the sum of squares (ord 2) over `axis`; all axes if None.

    Where an L2 norm is 0, its gradient is 0. out_dtype is ignored: a graph has one element type.
    """

    canonical = "norm"
    ord = Int(2, minimum=1, maximum=2)
    axis = Optional(Ints())
    out_dtype = Optional(DType())
    keepdims = Bool(False)

    def fold(self, xp: Any, data: Array, axes: Shape, out: Array) -> None:
        """y = sum |x|, or sqrt(sum x^2)."""
        if self.ord == 1:
            xp.sum(xp.absolute(data), axis=axes, keepdims=True, out=out)
        else:
            xp.sum(xp.square(data), axis=axes, keepdims=True, out=out)
            xp.sqrt(out, out=out)

    def slope(self, xp: Any, data: Array, y: Array, dy: Array, axes: Shape, out: Array) -> None:
        """dy sign(x), or dy x / y."""
        if self.ord == 1:
            xp.sign(data, out=out)
        else:
            xp.divide(data, xp.where(y == 0, 1, y), out=out)  # where y is 0, so is all data: 0 / 1 instead of 0 / 0
        xp.multiply(out, dy, out=out)
