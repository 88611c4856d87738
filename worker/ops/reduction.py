"""Operators that fold axes together: sum, mean, max, min, prod, nansum, nanprod and norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...common.errors import ShapeError
from ..array import Array, Arrays, Gradients, Shape
from .operator import Operator, PartialShape, Step
from .parameters import Bool, DType, Int, Ints, Optional
from .shapes import merge, normal_axis


class _Reduction(Operator, abstract=True):
    """A subclass folds with `fold` and says with `slope` how a result depends on each element."""

    axis = Optional(Ints())
    keepdims = Bool(False)

    def folded(self, axes: int) -> Shape:
        """The axes that are folded, of so many; no axis given means all."""
        if not self.axis:
            return tuple(range(axes))
        named = sorted(normal_axis(self.op_name(), axis, axes) for axis in self.axis)
        if len(set(named)) < len(named):
            raise ShapeError(f"{self.op_name()}: axis", expected="each axis once", got=self.axis)
        return tuple(named)

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True if the batch axis is folded; only the shapes tell."""
        return not in_shapes or 0 in self.folded(len(in_shapes[0]))

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """Output from data, and the extents that are kept from the output."""
        data, out = in_shapes[0], out_shapes[0]
        if data is None:
            return in_shapes, out_shapes
        folded = self.folded(len(data))
        kept = [axis for axis in range(len(data)) if axis not in folded]
        result = tuple(data[axis] for axis in kept) or (1,)
        out = merge(out, self._kept_shape(data) if self.keepdims else result, f"{self.op_name()}: output")
        assert out is not None
        extents = {axis: out[axis] for axis in kept} if self.keepdims else dict(zip(kept, out, strict=False))
        return [tuple(extents.get(axis, extent) for axis, extent in enumerate(data))], [out]

    def _kept_shape(self, data: Shape) -> Shape:
        folded = self.folded(len(data))
        return tuple(1 if axis in folded else extent for axis, extent in enumerate(data))

    def fold(self, xp: Any, data: Array, axes: Shape, out: Array) -> None:
        """Write the result to `out`, which keeps the folded axes with extent 1."""
        raise NotImplementedError

    def slope(self, xp: Any, data: Array, y: Array, dy: Array, axes: Shape, out: Array) -> None:
        """Write data's gradient to `out`; y and dy keep the folded axes with extent 1."""
        raise NotImplementedError

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Fold."""
        data = inputs[0]
        self.fold(step.xp, data, self.folded(data.ndim), outputs[0].reshape(self._kept_shape(data.shape)))

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Spread each result's gradient over what was folded into it."""
        if in_grads[0] is not None:
            data, kept = inputs[0], self._kept_shape(inputs[0].shape)
            y, dy = outputs[0].reshape(kept), out_grads[0].reshape(kept)
            self.slope(step.xp, data, y, dy, self.folded(data.ndim), in_grads[0])


class _Excluding(_Reduction, abstract=True):
    exclude = Bool(False)

    def folded(self, axes: int) -> Shape:
        """As named, or with `exclude` all others; no axis given means all."""
        named = super().folded(axes)
        if not self.exclude or not self.axis:
            return named
        return tuple(axis for axis in range(axes) if axis not in named)


class Sum(_Excluding):
    """The sum over `axis` (one, several, or all if none is named), or with `exclude` over all other axes.

    keepdims leaves the folded axes with extent 1; if no axis is left, the output is (1,).
    """

    canonical = "sum"
    aliases = ("sum_axis",)

    def fold(self, xp: Any, data: Array, axes: Shape, out: Array) -> None:
        """y = sum x."""
        xp.sum(data, axis=axes, keepdims=True, out=out)

    def slope(self, xp: Any, data: Array, y: Array, dy: Array, axes: Shape, out: Array) -> None:
        """dy."""
        out[...] = dy


class Mean(_Excluding):
    """The mean; axes as in sum."""

    canonical = "mean"

    def fold(self, xp: Any, data: Array, axes: Shape, out: Array) -> None:
        """y = sum x / n."""
        xp.mean(data, axis=axes, keepdims=True, out=out)

    def slope(self, xp: Any, data: Array, y: Array, dy: Array, axes: Shape, out: Array) -> None:
        """dy / n."""
        xp.multiply(dy, y.size / data.size, out=out)


class Max(_Excluding):
    """The largest element; axes as in sum. Each of several equal ones gets the gradient."""

    canonical = "max"
    aliases = ("max_axis",)

    def fold(self, xp: Any, data: Array, axes: Shape, out: Array) -> None:
        """y = max x."""
        xp.max(data, axis=axes, keepdims=True, out=out)

    def slope(self, xp: Any, data: Array, y: Array, dy: Array, axes: Shape, out: Array) -> None:
        """dy where x is y."""
        xp.equal(data, y, out=out)
        xp.multiply(out, dy, out=out)


class Min(Max):
    """The smallest element; axes as in sum. Each of several equal ones gets the gradient."""

    canonical = "min"
    aliases = ("min_axis",)

    def fold(self, xp: Any, data: Array, axes: Shape, out: Array) -> None:
        """y = min x."""
        xp.min(data, axis=axes, keepdims=True, out=out)


class Prod(_Excluding):
    """The product; axes as in sum. The gradient is right beside zeros too, where MXNet's is NaN."""

    canonical = "prod"

    def fold(self, xp: Any, data: Array, axes: Shape, out: Array) -> None:
        """y = prod x."""
        xp.prod(data, axis=axes, keepdims=True, out=out)

    def slope(self, xp: Any, data: Array, y: Array, dy: Array, axes: Shape, out: Array) -> None:
        """dy times the product of all others: of the elements that are not 0, unless another one is 0."""
        is_zero = data == 0
        zeros = xp.sum(is_zero, axis=axes, keepdims=True)
        nonzero = xp.where(is_zero, 1, data)
        xp.divide(xp.prod(nonzero, axis=axes, keepdims=True), nonzero, out=out)
        xp.multiply(out, zeros == is_zero, out=out)
        xp.multiply(out, dy, out=out)


class NanSum(_Excluding):
    """The sum of the elements that are not NaN; axes as in sum."""

    canonical = "nansum"

    def fold(self, xp: Any, data: Array, axes: Shape, out: Array) -> None:
        """y = sum x without NaN."""
        xp.nansum(data, axis=axes, keepdims=True, out=out)

    def slope(self, xp: Any, data: Array, y: Array, dy: Array, axes: Shape, out: Array) -> None:
        """dy, and 0 for NaN."""
        xp.equal(data, data, out=out)
        xp.multiply(out, dy, out=out)


class NanProd(Prod):
    """The product of the elements that are not NaN; axes as in sum."""

    canonical = "nanprod"

    def fold(self, xp: Any, data: Array, axes: Shape, out: Array) -> None:
        """y = prod x without NaN."""
        xp.nanprod(data, axis=axes, keepdims=True, out=out)

    def slope(self, xp: Any, data: Array, y: Array, dy: Array, axes: Shape, out: Array) -> None:
        """As prod where data is a number, and 0 for NaN."""
        is_nan = xp.isnan(data)
        super().slope(xp, xp.where(is_nan, 1, data), y, dy, axes, out)
        xp.copyto(out, 0, where=is_nan)


class Norm(_Reduction):
    """The sum of absolute values (ord 1) or the root of the sum of squares (ord 2) over `axis`; all axes if None.

    Where an L2 norm is 0, the gradient is 0.
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
            xp.divide(data, xp.where(y == 0, 1, y), out=out)
        xp.multiply(out, dy, out=out)
