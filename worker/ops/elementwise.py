"""Arithmetic of two arrays of equal shape, and the base class of all operators that work element by element.

Results are written with `out=` straight into the arrays that the executor owns, without temporary arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ..array import Array, Arrays, Gradients, Shape
from .operator import Operator, PartialShape, Step
from .shapes import merge_all


class BaseElementwise(Operator, abstract=True):
    """Base of operators whose inputs and output all have one shape; a subclass defines `value` and `slope`.

    In these two, `out`, `y` and `dy` have the shape of the inputs (the output's shape in Broadcast).
    """

    number_by_number: ClassVar[bool] = False  # each depends on those in its place alone, and not on what place that is

    def keeps_rows_apart(self, in_shapes: Sequence[Shape], axes: Sequence[int | None]) -> bool:
        """True where numbers are computed one by one, and the batch is the same axis of all."""
        return self.number_by_number and len(set(axes)) == 1

    def infer_shape(
        self, in_shapes: list[PartialShape], out_shapes: list[PartialShape]
    ) -> tuple[list[PartialShape], list[PartialShape]]:
        """One shape for all, from whichever is known. Raises ShapeError if two contradict each other."""
        # One output each: those with more have an infer_shape of their own.
        where = [f"{self.op_name()}: {name}" for name in (*self.arguments(), "output")]
        shape = merge_all([*in_shapes, *out_shapes], where)
        return [shape] * len(in_shapes), [shape]

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """Write the result, of the inputs' shape, to `out`."""
        raise NotImplementedError

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """Write the gradient of input number `which` to `out`; y is the result and dy its gradient, of y's shape."""
        raise NotImplementedError

    def forward(self, step: Step, inputs: Arrays, outputs: Arrays) -> None:
        """Write the value to the output."""
        self.value(step.xp, inputs, outputs[0])

    def backward(self, step: Step, out_grads: Arrays, inputs: Arrays, outputs: Arrays, in_grads: Gradients) -> None:
        """Write the gradient of each input that wants one."""
        for which, grad in enumerate(in_grads):
            if grad is not None:
                self.slope(step.xp, which, inputs, outputs[0], out_grads[0], grad)


class _Binary(BaseElementwise, abstract=True):
    number_by_number = True

    def arguments(self) -> tuple[str, ...]:
        """lhs and rhs."""
        return ("lhs", "rhs")


class ElemwiseAdd(_Binary):
    """lhs + rhs, for equal shapes."""

    canonical = "elemwise_add"
    aliases: ClassVar[tuple[str, ...]] = ("_plus", "_Plus", "_add")
    joins_slices = True

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """y = a + b."""
        xp.add(inputs[0], inputs[1], out=out)

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """dy for both."""
        out[...] = dy


class ElemwiseSub(_Binary):
    """lhs - rhs, for equal shapes."""

    canonical = "elemwise_sub"
    aliases: ClassVar[tuple[str, ...]] = ("_minus", "_Minus", "_sub")

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """y = a - b."""
        xp.subtract(inputs[0], inputs[1], out=out)

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """dy and -dy."""
        (xp.positive, xp.negative)[which](dy, out=out)  # positive copies


class ElemwiseMul(_Binary):
    """lhs * rhs, for equal shapes."""

    canonical = "elemwise_mul"
    aliases = ("_mul", "_Mul")

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """y = a b."""
        xp.multiply(inputs[0], inputs[1], out=out)

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """dy b and dy a."""
        xp.multiply(dy, inputs[1 - which], out=out)


class ElemwiseDiv(_Binary):
    """lhs / rhs, for equal shapes."""

    canonical = "elemwise_div"
    aliases = ("_div", "_Div")

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """y = a / b."""
        xp.divide(inputs[0], inputs[1], out=out)

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """dy / b and -dy y / b, which needs no b^2."""
        xp.divide(dy, inputs[1], out=out)
        if which == 1:
            xp.multiply(out, y, out=out)
            xp.negative(out, out=out)


class Power(_Binary):
    """lhs ** rhs, for equal shapes; the gradient of rhs is a number only where lhs is positive."""

    canonical = "_power"
    aliases = ("_Power",)

    def value(self, xp: Any, inputs: Arrays, out: Array) -> None:
        """y = a^b."""
        xp.power(inputs[0], inputs[1], out=out)

    def slope(self, xp: Any, which: int, inputs: Arrays, y: Array, dy: Array, out: Array) -> None:
        """dy b a^(b-1) and dy y ln a."""
        base, exponent = inputs
        # Not b y / a for the first one, which is NaN where a is 0.
        if which == 0:
            xp.subtract(exponent, 1, out=out)
            xp.power(base, out, out=out)
            xp.multiply(out, exponent, out=out)
        else:
            xp.log(base, out=out)  # NaN where lhs is negative: there lhs ** rhs has no derivative by rhs
            xp.multiply(out, y, out=out)
        xp.multiply(out, dy, out=out)
