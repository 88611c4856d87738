"""Arithmetic of two arrays where an extent of 1 is stretched to the other's: `broadcast_add` and the like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...common.errors import ShapeError
from ..array import Array, Arrays, Gradients, Shape
from .elementwise import BaseElementwise, ElemwiseAdd, ElemwiseDiv, ElemwiseMul, ElemwiseSub, Power
from .operator import PartialShape, Step


class Broadcast(BaseElementwise, abstract=True):
    """Placed before an operator of equal shapes in the list of bases, it makes that operator stretch extents of 1.

    Axes are matched from the last; missing ones count as 1. The gradient of a stretched input is summed over what
    was stretched.
    """

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True if a single row of one input is combined with many rows of the other."""
        if not in_shapes:
            return True
        left, right = in_shapes
        # With different numbers of axes, axis 0 of the shorter one meets another axis than the batch.
        return len(left) != len(right) or left[:1] != right[:1]

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """The output's shape, once both inputs' are known. Raises ShapeError if two extents differ and neither is 1."""
        # Nothing follows for the inputs: an extent n of the output may come from n or from 1.
        left, right = in_shapes
        if left is None or right is None:
            return in_shapes, out_shapes
        axes = max(len(left), len(right))
        left, right = (1,) * (axes - len(left)) + left, (1,) * (axes - len(right)) + right
        return in_shapes, [tuple(map(self._extent, left, right))]

    def _extent(self, left: int, right: int) -> int:
        """The output's extent; 0 while it is unknown. An unknown extent may be 1, so that only one above 1 decides."""
        if left in (0, 1):
            return right if left == 1 or right > 1 else 0
        if right not in (0, 1, left):
            raise ShapeError(f"{self.op_name()}: rhs", expected=f"extent {left} or 1", got=right)
        return left

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the gradient of each input that wants one, summed over the axes where the input was stretched."""
        dy, y = out_grads[0], outputs[0]
        for which, grad in enumerate(in_grads):
            if grad is None:
                continue
            if grad.shape == dy.shape:
                self.slope(step.xp, which, inputs, y, dy, grad)
            else:  # the gradient before summing has the output's shape, so it does not fit into `grad`
                whole = step.xp.empty_like(dy)
                self.slope(step.xp, which, inputs, y, dy, whole)
                sum_to(step.xp, whole, grad)


def sum_to(xp: Any, whole: Array, part: Array) -> None:
    """Write `whole` to `part`, summed over those axes on which `part` has extent 1 or which it does not have."""
    # A view of `part` with as many axes as `whole`, so that the sum can be written to it directly.
    kept = part.reshape((1,) * (whole.ndim - part.ndim) + part.shape)
    axes = tuple(axis for axis, extent in enumerate(kept.shape) if extent != whole.shape[axis])
    xp.sum(whole, axis=axes, keepdims=True, out=kept)


class BroadcastAdd(Broadcast, ElemwiseAdd):
    """lhs + rhs, with extents of 1 stretched."""

    canonical = "broadcast_add"
    aliases = ("broadcast_plus",)


class BroadcastSub(Broadcast, ElemwiseSub):
    """lhs - rhs, with extents of 1 stretched."""

    canonical = "broadcast_sub"
    aliases = ("broadcast_minus",)


class BroadcastMul(Broadcast, ElemwiseMul):
    """lhs * rhs, with extents of 1 stretched."""

    canonical = "broadcast_mul"


class BroadcastDiv(Broadcast, ElemwiseDiv):
    """lhs / rhs, with extents of 1 stretched."""

    canonical = "broadcast_div"


class BroadcastPower(Broadcast, Power):
    """lhs ** rhs, with extents of 1 stretched; the gradient of rhs needs a positive lhs."""

    canonical = "broadcast_power"
