"""Matrix products: dot of two matrices, batch_dot of two stacks of them.

The computation is written once, for matrices; a subclass says with `matrices` and `product` how its arrays are viewed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...common.errors import ShapeError
from ..array import Array, Arrays, Gradients, Shape
from .operator import Operator, PartialShape, Step
from .parameters import Bool, Choice, Optional
from .shapes import product


class _Product(Operator, abstract=True):
    """Y = A B for the last two axes of lhs and rhs, each transposed if its flag is set. forward_stype is ignored."""

    transpose_a = Bool(False)
    transpose_b = Bool(False)
    forward_stype = Optional(Choice("default", "row_sparse", "csr"))

    def arguments(self) -> tuple[str, ...]:
        """lhs and rhs."""
        return ("lhs", "rhs")

    def matrices(self, which: int, array: Array) -> Array:
        """View `array`, of lhs's shape (`which` 0) or rhs's (1), as matrices the way they lie in memory."""
        return array

    def stored(self, which: int, array: Array) -> Array:
        """View `array` as the matrices that are multiplied, lhs as (..., M, K) and rhs as (..., K, N)."""
        matrices = self.matrices(which, array)
        # A transposed view costs nothing here: matmul passes it to BLAS as a flag.
        return matrices.swapaxes(-1, -2) if (self.transpose_a, self.transpose_b)[which] else matrices

    def product(self, lhs: Array, rhs: Array, out: Array) -> Array:
        """View `out`, of the output's shape, as matrices (..., M, N)."""
        return out

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Y = A B."""
        left, right = self.stored(0, inputs[0]), self.stored(1, inputs[1])
        step.xp.matmul(left, right, out=self.product(left, right, outputs[0]))

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """dA = dY B^T and dB = A^T dY, each transposed if its input is."""
        left, right = self.stored(0, inputs[0]), self.stored(1, inputs[1])
        dy = self.product(left, right, out_grads[0])
        if in_grads[0] is not None:
            pair = (dy, right.swapaxes(-1, -2))
            _multiply(step.xp, pair, self.transpose_a, self.matrices(0, in_grads[0]))
        if in_grads[1] is not None:
            pair = (left.swapaxes(-1, -2), dy)
            _multiply(step.xp, pair, self.transpose_b, self.matrices(1, in_grads[1]))


def _multiply(xp: Any, pair: tuple[Array, Array], transposed: bool, out: Array) -> None:
    """Write the product of the pair, or its transpose, to `out`."""
    first, second = pair
    if transposed:  # (A B)^T = B^T A^T, computed as such because a transposed `out` would cost matmul a copy
        first, second = second.swapaxes(-1, -2), first.swapaxes(-1, -2)
    xp.matmul(first, second, out=out)


class Dot(_Product):
    """lhs (..., K), rhs (K, ...) -> the remaining axes of lhs and then those of rhs; two vectors give (1,).

    The sum is over K. With transpose_a, lhs is (K, ...); with transpose_b, rhs is (..., K).
    """

    canonical = "dot"

    def couples_rows(self, in_shapes: Sequence[Shape] = ()) -> bool:
        """True: axis 0 of rhs, or of a transposed lhs, may be the batch axis, and the sum is over it."""
        return True

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """The output's shape from both inputs'. Raises ShapeError if they have no axes or different K."""
        if in_shapes[0] is None or in_shapes[1] is None:
            return in_shapes, out_shapes
        (left, summed), (right, also) = self._parts(in_shapes[0], 0), self._parts(in_shapes[1], 1)
        if summed and also and summed != also:
            raise ShapeError("dot: rhs", expected=f"extent {summed} on the axis that is summed over", got=in_shapes[1])
        return in_shapes, [(*left, *right) or (1,)]

    def _parts(self, shape: Shape, which: int) -> tuple[Shape, int]:
        """The axes that stay and the extent that is summed over."""
        if not shape:
            raise ShapeError(f"dot: {self.arguments()[which]}", expected="at least one axis", got=shape)
        return (shape[:-1], shape[-1]) if self._sums_last(which) else (shape[1:], shape[0])

    def _sums_last(self, which: int) -> bool:
        return self.transpose_b if which else not self.transpose_a

    def matrices(self, which: int, array: Array) -> Array:
        """Two axes: the summed one, and all others as one."""
        if self._sums_last(which):
            return array.reshape(product(array.shape[:-1]), array.shape[-1])
        return array.reshape(array.shape[0], product(array.shape[1:]))

    def product(self, lhs: Array, rhs: Array, out: Array) -> Array:
        """View `out` as (M, N)."""
        return out.reshape(lhs.shape[0], rhs.shape[1])


class BatchDot(_Product):
    """lhs (..., M, K) times rhs (..., K, N), matrix by matrix, -> (..., M, N).

    With transpose_a, lhs is (..., K, M); with transpose_b, rhs is (..., N, K).
    """

    canonical = "batch_dot"

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """The output from both inputs; from each other, the inputs learn K and the number of matrices.

        Raises ShapeError unless both have the same number of axes, at least 3, and fit each other.
        """
        left, right = in_shapes
        if left is None or right is None:
            return in_shapes, out_shapes
        if len(left) < 3 or len(left) != len(right):
            raise ShapeError("batch_dot: rhs", expected=f"3 or more axes, as many as in lhs {left}", got=right)
        m, k = _turned(left, self.transpose_a)
        also_k, n = _turned(right, self.transpose_b)
        # In lhs and rhs, all axes but the last two count matrices; they must be equal and are not stretched.
        stack = tuple(map(_both, left[:-2], right[:-2]))
        if None in stack or _both(k, also_k) is None:
            raise ShapeError("batch_dot: rhs", expected=f"a stack of matrices that fits lhs {left}", got=right)
        k = _both(k, also_k) or 0  # 0: still unknown
        counts = tuple(extent or 0 for extent in stack)
        shapes: list[PartialShape] = [(*counts, *_turned((m, k), self.transpose_a))]
        return [*shapes, (*counts, *_turned((k, n), self.transpose_b))], [(*counts, m, n)]


def _turned(shape: Shape, transposed: bool) -> tuple[int, int]:
    rows, columns = shape[-2:]
    return (columns, rows) if transposed else (rows, columns)


def _both(left: int, right: int) -> int | None:
    """The extent that both describe, 0 if neither knows it; None if they contradict each other."""
    return (left or right) if not left or not right or left == right else None
